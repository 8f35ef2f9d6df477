package io.dagtrace.spark;

import java.util.Collections;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.slf4j.LoggerFactory;

/** What a user has to read of us in the driver's log: one line each, once per JVM. */
final class Log {
  private static final Set<String> SAID = Collections.newSetFromMap(new ConcurrentHashMap<>());

  static void warn(String line) { say(line, true); }

  static void info(String line) { say(line, false); }

  private static void say(String line, boolean warning) {
    if (SAID.size() > 100 || !SAID.add(line)) return;
    try {
      if (warning) LoggerFactory.getLogger("dagtrace").warn(line); else LoggerFactory.getLogger("dagtrace").info(line);
    } catch (Throwable noLog) {
      // there is nobody to tell
    }
  }

  private Log() {}
}
