package org.slf4j;

public class MDC {
  public static native void put(String key, String value);
}
