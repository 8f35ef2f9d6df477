package io.dagtrace.spark;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.spark.ExceptionFailure;
import org.apache.spark.TaskFailedReason;

/**
 * Why something failed: the class of the error, one line, and the first lines of its stack, all masked. Spark hands out
 * texts with whole stack traces in them.
 */
final class Failure {
  private static final Pattern JVM_CLASS = Pattern.compile("(?<![\\w.])(?:[a-z]\\w*\\.)+[A-Z][\\w$]*(?:Exception|Error)\\b");
  private static final Pattern PYTHON_ERROR = Pattern.compile("(?m)^([A-Za-z_][\\w.]*)(?:: .*)?$");
  private static final Pattern CANCELLED = Pattern.compile("(?:\\[\\w+\\] )?(?:Job|Stage) \\d+ (?:was )?cancelled\\b.*");
  private static final String TRACEBACK = "Traceback (most recent call last):";
  private static final int LINES = 12;

  final String type;
  final String message;
  /** The first lines of what came after the message; "" where there was no more. */
  final String stack;
  final boolean cancelled;

  private Failure(String type, String message, String text) {
    this.type = type;
    this.message = Attributes.shorten(Mask.mask(message));
    stack = head(text);
    cancelled = CANCELLED.matcher(message).matches();
  }

  static Failure of(Throwable error) {
    String message = error.getMessage() == null ? error.getClass().getName() : error.getMessage();
    if (message.indexOf('\n') >= 0) return of(error.getClass().getName(), message); // Spark has put the stack in it
    StringWriter stack = new StringWriter();
    error.printStackTrace(new PrintWriter(stack, true));
    Failure found = of(error.getClass().getName(), message);
    return new Failure(found.type, found.message, stack.toString());
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
        String said = wordless ? first.replace(TRACEBACK, "").trim() + " " + line : first;
        return new Failure(raised.group(1), said, text.substring(traceback));
      }
    }
    Matcher named = JVM_CLASS.matcher(first);
    return new Failure(named.find() ? named.group() : type, first, text);
  }

  private static String firstLine(String text) {
    String stripped = text.trim();
    int end = stripped.indexOf('\n');
    return end < 0 ? stripped : stripped.substring(0, end).trim();
  }

  private static String head(String text) {
    String stripped = text.trim();
    int end = -1;
    for (int line = 0; line < LINES && end < stripped.length(); line++) {
      int next = stripped.indexOf('\n', end + 1);
      end = next < 0 ? stripped.length() : next;
    }
    if (stripped.indexOf('\n') < 0) return "";
    return Attributes.shorten(Mask.mask(stripped.substring(0, end)), 2 * Attributes.MOST);
  }
}
