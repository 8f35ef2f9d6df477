package io.dagtrace.spark;

import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.spark.ExceptionFailure;
import org.apache.spark.TaskFailedReason;

/** Why something failed: the class of the error and one line. Spark hands out texts with whole stack traces in them. */
final class Failure {
  private static final Pattern JVM_CLASS = Pattern.compile("(?<![\\w.])(?:[a-z]\\w*\\.)+[A-Z][\\w$]*(?:Exception|Error)\\b");
  private static final Pattern PYTHON_ERROR = Pattern.compile("(?m)^([A-Za-z_][\\w.]*)(?:: .*)?$");
  private static final Pattern CANCELLED = Pattern.compile("(?:\\[\\w+\\] )?(?:Job|Stage) \\d+ (?:was )?cancelled\\b.*");
  private static final String TRACEBACK = "Traceback (most recent call last):";

  final String type;
  final String message;
  final boolean cancelled;

  private Failure(String type, String message) {
    this.type = type;
    this.message = Attributes.shorten(message);
    cancelled = CANCELLED.matcher(message).matches();
  }

  static Failure of(Throwable error) {
    return of(error.getClass().getName(), String.valueOf(error.getMessage()));
  }

  static Failure of(TaskFailedReason reason) {
    if (!(reason instanceof ExceptionFailure)) return of(reason.getClass().getSimpleName(), reason.toErrorString());
    ExceptionFailure failure = (ExceptionFailure) reason;
    return of(failure.className(), failure.className() + ": " + failure.description());
  }

  /** {@code type} stands where the text names none. */
  static Failure of(String type, String text) {
    String first = firstLine(text);
    int traceback = text.indexOf(TRACEBACK);
    if (traceback >= 0) { // what a Python function raised: the only line after the header that is not indented
      Matcher raised = PYTHON_ERROR.matcher(text);
      if (raised.find(traceback + TRACEBACK.length())) {
        String line = raised.group();
        boolean wordless = first.endsWith(TRACEBACK) || first.endsWith(":");
        return new Failure(raised.group(1), wordless ? first.replace(TRACEBACK, "").trim() + " " + line : first);
      }
    }
    Matcher named = JVM_CLASS.matcher(first);
    return new Failure(named.find() ? named.group() : type, first);
  }

  private static String firstLine(String text) {
    String stripped = text.trim();
    int end = stripped.indexOf('\n');
    return end < 0 ? stripped : stripped.substring(0, end).trim();
  }
}
