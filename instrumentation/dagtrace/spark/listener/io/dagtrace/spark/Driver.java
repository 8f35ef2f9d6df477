package io.dagtrace.spark;

import java.io.File;
import java.lang.reflect.Method;

/** The Python process that drives this JVM and drains the listener, as long as it lives. */
final class Driver {
  private final long pid;

  Driver(long pid) { this.pid = pid; }

  /** True where it cannot be known: then it is trusted to do what it said. */
  boolean alive() {
    if (pid <= 0) return true;
    try { // Java 9
      Class<?> handle = Class.forName("java.lang.ProcessHandle");
      Object found = handle.getMethod("of", long.class).invoke(null, pid);
      Method isPresent = found.getClass().getMethod("isPresent");
      return (Boolean) isPresent.invoke(found)
          && (Boolean) handle.getMethod("isAlive").invoke(found.getClass().getMethod("get").invoke(found));
    } catch (ReflectiveOperationException java8) {
      return !new File("/proc/self").exists() || new File("/proc/" + pid).exists();
    }
  }
}
