package io.dagtrace.spark;

import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * What a query or job is said to be for: a call site, or what somebody set. spark-sql and the Thrift server set the
 * statement itself, and Connect's server the beginning of the plan: both stay out unless DAGTRACE_CAPTURE has sql.
 */
final class Description {
  private static final Pattern STATEMENT = Pattern.compile(
      "(?is)\\s*(select|with|insert|create|merge|update|delete|replace|drop|alter|describe|show|set|use|cache|explain|load"
          + "|analyze|truncate|refresh|values|from)\\b.*\\b(select|from|into|table|view|values|using|set|database|schema|tables"
          + "|as|[0-9]+)\\b.*");
  private static final String CONNECT = "Spark Connect";
  private static final boolean CAPTURED = String.valueOf(System.getenv("DAGTRACE_CAPTURE")).matches("(.*,)?\\s*sql\\s*(,.*)?");

  static String of(String text) {
    if (text == null || CAPTURED) return Mask.mask(text);
    if (text.startsWith(CONNECT)) return CONNECT;
    Matcher statement = STATEMENT.matcher(Attributes.shorten(text));
    return statement.matches() ? statement.group(1) : Mask.mask(text);
  }

  private Description() {}
}
