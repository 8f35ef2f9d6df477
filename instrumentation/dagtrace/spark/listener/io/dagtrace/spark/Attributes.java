package io.dagtrace.spark;

import java.util.Collection;
import java.util.List;

/**
 * Attributes of one span or event as they are written: the inside of an OTLP/JSON array of KeyValue. Empty texts are
 * left out. A span's events are beside them.
 */
final class Attributes {
  private static final int MOST = 1000; // characters; a SQL statement as description may have millions

  final StringBuilder json = new StringBuilder(512);
  final StringBuilder events = new StringBuilder(0);

  Attributes text(String key, String value) {
    if (value == null || value.isEmpty()) return this;
    quote(open(key).append("\"stringValue\":"), shorten(value));
    return close();
  }

  /** 64-bit integers are strings in OTLP/JSON. */
  Attributes number(String key, long value) {
    open(key).append("\"intValue\":\"").append(value).append('"');
    return close();
  }

  Attributes seconds(String key, double value) {
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

  /** Add an event of the span; {@code time} is milliseconds since the epoch. */
  Attributes event(String name, long time, Attributes of) {
    quote(events.append(events.length() == 0 ? "" : ",").append("{\"name\":"), name);
    events.append(",\"timeUnixNano\":\"").append(time).append("000000\",\"attributes\":[").append(of.json).append("]}");
    return this;
  }

  private StringBuilder open(String key) {
    return quote(json.append(json.length() == 0 ? "" : ",").append("{\"key\":"), key).append(",\"value\":{");
  }

  private Attributes close() {
    json.append("}}");
    return this;
  }

  static String shorten(String text) {
    if (text.length() <= MOST) return text;
    int end = Character.isHighSurrogate(text.charAt(MOST - 1)) ? MOST - 1 : MOST;
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
