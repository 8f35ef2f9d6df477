package io.dagtrace.spark;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The Java half of dagtrace/identity.py: both must give the same ids for the same names (tests/spark holds them to it). */
final class Identity {
  private static final byte VERSION = 1;
  private static final Pattern TRACEPARENT =
      Pattern.compile("\\s*([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?\\s*");

  /** What points to a span, in hex; {@code span} is "" above a root. */
  static final class Parent {
    final String trace;
    final String span;
    final boolean sampled;

    Parent(String trace, String span, boolean sampled) {
      this.trace = trace;
      this.span = span;
      this.sampled = sampled;
    }
  }

  /** Hash {@code parts} to {@code size} bytes, in hex, never all zero; each part goes in with its length. */
  static String hash(int size, List<?> parts) {
    MessageDigest sha;
    try {
      sha = MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e); // every Java platform has it
    }
    sha.update(VERSION);
    for (Object part : parts) {
      byte[] data = String.valueOf(part).getBytes(StandardCharsets.UTF_8);
      sha.update(ByteBuffer.allocate(4).putInt(data.length).array());
      sha.update(data);
    }
    StringBuilder hex = new StringBuilder();
    for (byte b : Arrays.copyOf(sha.digest(), size)) hex.append(String.format("%02x", b));
    return zero(hex.toString()) ? hex.substring(1) + "1" : hex.toString();
  }

  static String hash(int size, Object... parts) { return hash(size, Arrays.asList(parts)); }

  /** Read a traceparent as W3C asks: null for anything malformed, all-zero or of the forbidden version ff. */
  static Parent parse(String header) {
    Matcher m = TRACEPARENT.matcher(header == null ? "" : header);
    if (!m.matches() || m.group(1).equals("ff") || (m.group(1).equals("00") && m.group(5) != null)) return null;
    if (zero(m.group(2)) || zero(m.group(3))) return null;
    return new Parent(m.group(2), m.group(3), (Integer.parseInt(m.group(4), 16) & 1) == 1);
  }

  private static boolean zero(String hex) { return hex.chars().allMatch(c -> c == '0'); }

  private Identity() {}
}
