package io.dagtrace.spark;

import java.io.IOException;
import java.lang.reflect.Method;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;

/** The Python process that drives this JVM and drains the listener, as long as it lives. */
final class Driver {
  private final long pid;

  Driver(long pid) { this.pid = pid; }

  /** True where it cannot be known: then it is trusted to do what it said. */
  boolean alive() {
    if (pid <= 0) return true;
    try {
      if (Files.exists(Paths.get("/proc/self/stat"))) return runs(Paths.get("/proc/" + pid + "/stat"));
      Class<?> handle = Class.forName("java.lang.ProcessHandle"); // Java 9
      Object found = handle.getMethod("of", long.class).invoke(null, pid);
      Method isPresent = found.getClass().getMethod("isPresent");
      return (Boolean) isPresent.invoke(found)
          && (Boolean) handle.getMethod("isAlive").invoke(found.getClass().getMethod("get").invoke(found));
    } catch (ReflectiveOperationException | RuntimeException e) {
      return true;
    }
  }

  /**
   * Whether a process of Linux runs. One that was killed stays there as a zombie until somebody waits for it, and who
   * reads its output first (as shells and schedulers do) waits for this JVM to close it.
   */
  private static boolean runs(Path stat) {
    try {
      String line = new String(Files.readAllBytes(stat), StandardCharsets.ISO_8859_1); // pid (name) state …
      char state = line.charAt(line.lastIndexOf(')') + 2);
      return state != 'Z' && state != 'X';
    } catch (IOException | IndexOutOfBoundsException gone) {
      return false;
    }
  }
}
