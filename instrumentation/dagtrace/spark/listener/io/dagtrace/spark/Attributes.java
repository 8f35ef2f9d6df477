package io.dagtrace.spark;

import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** Attributes of one span as they are written: the inside of an OTLP/JSON array of KeyValue. Empty texts are left out. */
final class Attributes {
  static final int MOST = 1000; // characters; a SQL statement as description may have millions

  final StringBuilder json = new StringBuilder(512);
  /** What metrics are made of, and counted under. */
  final Map<String, Number> numbers = new HashMap<>();
  final Map<String, String> texts = new HashMap<>();

  Attributes text(String key, String value) { return text(key, value, MOST); }

  Attributes text(String key, String value, int most) {
    if (value == null || value.isEmpty()) return this;
    texts.put(key, value);
    quote(open(key).append("\"stringValue\":"), shorten(value, most));
    return close();
  }

  /** 64-bit integers are strings in OTLP/JSON. */
  Attributes number(String key, long value) {
    numbers.put(key, value);
    open(key).append("\"intValue\":\"").append(value).append('"');
    return close();
  }

  Attributes decimal(String key, double value) {
    numbers.put(key, value);
    open(key).append("\"doubleValue\":").append(value);
    return close();
  }

  Attributes flag(String key, boolean value) {
    open(key).append("\"boolValue\":").append(value);
    return close();
  }

  Attributes numbers(String key, List<?> values) {
    if (values.isEmpty()) return this;
    open(key).append("\"arrayValue\":{\"values\":[");
    for (int i = 0; i < values.size(); i++) {
      json.append(i == 0 ? "" : ",").append("{\"intValue\":\"").append(values.get(i)).append("\"}");
    }
    json.append("]}");
    return close();
  }

  Attributes texts(String key, Collection<String> values) {
    if (values.isEmpty()) return this;
    open(key).append("\"arrayValue\":{\"values\":[");
    String comma = "";
    for (String value : values) {
      quote(json.append(comma).append("{\"stringValue\":"), shorten(value)).append('}');
      comma = ",";
    }
    json.append("]}");
    return close();
  }

  private StringBuilder open(String key) {
    return quote(json.append(json.length() == 0 ? "" : ",").append("{\"key\":"), key).append(",\"value\":{");
  }

  private Attributes close() {
    json.append("}}");
    return this;
  }

  static String shorten(String text) { return shorten(text, MOST); }

  static String shorten(String text, int most) {
    if (text.length() <= most) return text;
    int end = Character.isHighSurrogate(text.charAt(most - 1)) ? most - 1 : most;
    return text.substring(0, end);
  }

  /** A JSON string; no line break survives, so that one record is one line. */
  static StringBuilder quote(StringBuilder out, String text) {
    out.append('"');
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      if (c == '"' || c == '\\') out.append('\\').append(c);
      else if (c < ' ') out.append(String.format("\\u%04x", (int) c));
      else out.append(c);
    }
    return out.append('"');
  }
}
