package io.dagtrace.spark;

import java.io.File;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermissions;
import java.text.SimpleDateFormat;
import java.util.Arrays;
import java.util.Comparator;
import java.util.Date;
import java.util.HashSet;
import java.util.Set;
import java.util.TimeZone;

/**
 * OTLP/JSON lines in DAGTRACE_HOME. A file of this JVM's own: Java's locks (fcntl) and Python's (flock) do not see each
 * other, so the shared file is not for us. Readers take any {@code traces*.jsonl}.
 */
final class LocalFile implements Destination {
  private final File folder;
  private final String signal;
  private final long maxBytes;

  LocalFile(Settings settings, String signal) {
    folder = settings.home();
    this.signal = signal;
    maxBytes = settings.localMaxBytes();
  }

  @Override public String toString() { return folder.toString(); }

  @Override public int send(String body, long withinMs) throws IOException {
    byte[] line = (body + "\n").getBytes(StandardCharsets.UTF_8);
    FileAttribute<?>[] owners = {PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------"))};
    if (!folder.isDirectory()) Files.createDirectories(folder.toPath(), owners);
    makeRoom(line.length);
    Set<OpenOption> options = new HashSet<>(Arrays.asList(StandardOpenOption.CREATE, StandardOpenOption.APPEND));
    FileAttribute<?> owner = PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------"));
    try (FileChannel file = FileChannel.open(path(), options, owner)) {
      long before = file.size();
      if (file.write(ByteBuffer.wrap(line)) != line.length) { // half a line would spoil the file for its readers
        file.truncate(before);
        throw new IOException("the disk is full");
      }
    }
    return 0;
  }

  private Path path() {
    SimpleDateFormat day = new SimpleDateFormat("yyyyMMdd");
    day.setTimeZone(TimeZone.getTimeZone("UTC"));
    String host = Settings.host().replaceAll("[^A-Za-z0-9._]", "_");
    return new File(folder, signal + "-" + host + "-" + Settings.pid() + "-" + day.format(new Date()) + ".jsonl").toPath();
  }

  /** Remove the oldest files until that many more bytes fit under the cap. */
  private void makeRoom(long needed) {
    File[] files = folder.listFiles((f, name) -> name.matches("(traces|metrics|logs)-.+\\.jsonl"));
    if (files == null) return;
    Arrays.sort(files, Comparator.comparingLong(File::lastModified));
    long excess = needed - maxBytes;
    for (File file : files) excess += file.length();
    long removed = 0;
    for (File file : files) {
      if (removed >= excess) break;
      removed += file.length();
      if (file.delete()) Log.warn("the oldest local telemetry went, to keep DAGTRACE_LOCAL_MAX_BYTES");
    }
  }
}
