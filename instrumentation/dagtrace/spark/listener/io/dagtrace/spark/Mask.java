package io.dagtrace.spark;

import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The Java half of dagtrace/masking.py: what looks like a secret becomes ***. tests/spark holds both to the same texts. */
final class Mask {
  private static final int MOST = 4000; // characters looked at; Java's expressions need stack for each of them
  private static final Pattern TO_THE_SCHEME = Pattern.compile("://");

  static String mask(String text) {
    if (text == null || text.isEmpty()) return text;
    try {
      String part = text.length() > MOST ? text.substring(0, MOST) : text;
      return values(urls(part));
    } catch (StackOverflowError tooDeep) {
      return "***"; // half a secret is a leak
    }
  }

  private static String urls(String text) {
    Matcher found = Masks.URLS.matcher(text);
    StringBuffer out = new StringBuffer();
    while (found.find()) {
      StringBuilder parts = new StringBuilder();
      for (String part : TO_THE_SCHEME.split(found.group(1), -1)) parts.append("://").append(password(part));
      found.appendReplacement(out, Matcher.quoteReplacement(parts.toString()));
    }
    return found.appendTail(out).toString();
  }

  /** Masks {@code user:password@}, up to the last @; the user may stay. */
  private static String password(String part) {
    Matcher end = Masks.URL_ENDS.matcher(part);
    int at = end.find() ? part.lastIndexOf('@', end.start() - 1) : part.lastIndexOf('@');
    if (at < 0) at = part.lastIndexOf('@');
    String before = part.substring(0, Math.max(at, 0));
    int colon = before.indexOf(':');
    if (colon < 0 || colon == before.length() - 1) return part;
    String user = before.substring(0, colon);
    for (char mark : "/?#\"'`<>".toCharArray()) if (user.indexOf(mark) >= 0) return part;
    return user + ":***" + part.substring(at);
  }

  private static String values(String text) {
    Matcher found = Masks.KEY_VALUE.matcher(text);
    StringBuffer out = new StringBuffer();
    while (found.find()) {
      String key = found.group("header") != null ? found.group("header") : found.group("key");
      String scheme = found.group("scheme") == null ? "" : found.group("scheme");
      found.appendReplacement(out, Matcher.quoteReplacement(key + scheme + "***"));
    }
    return found.appendTail(out).toString();
  }

  private Mask() {}
}
