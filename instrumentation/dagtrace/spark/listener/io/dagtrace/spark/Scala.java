package io.dagtrace.spark;

import java.lang.reflect.Method;
import java.util.ArrayList;
import java.util.List;
import org.apache.spark.SparkContext;
import scala.Option;
import scala.collection.Iterator;

/** Reading Scala's objects without linking what differs between Scala 2.12 and 2.13, or between Spark's versions. */
final class Scala {
  /** What {@code accessor} of {@code target} returns, an Option's content; null where this Spark has no such accessor. */
  static Object call(Object target, String accessor) {
    try {
      Method method = target.getClass().getMethod(accessor);
      Object value = method.invoke(target);
      if (!(value instanceof Option)) return value;
      return ((Option<?>) value).isDefined() ? ((Option<?>) value).get() : null;
    } catch (ReflectiveOperationException e) {
      return null;
    }
  }

  /** The number {@code accessor} returns, {@code otherwise} where there is none. */
  static long number(Object target, String accessor, long otherwise) {
    Object value = call(target, accessor);
    return value instanceof Number ? ((Number) value).longValue() : otherwise;
  }

  /** The elements of a Scala Seq. */
  static List<Object> elements(Object target, String accessor) { return all(call(target, accessor)); }

  /** The elements of what can be iterated in Scala; none of null. */
  static List<Object> all(Object seq) {
    List<Object> found = new ArrayList<>();
    Object iterator = seq == null ? null : call(seq, "iterator");
    if (iterator != null) {
      for (Iterator<?> i = (Iterator<?>) iterator; i.hasNext(); ) found.add(i.next());
    }
    return found;
  }

  /**
   * The SparkContext that this thread is constructing, null where none is or this Spark hides it: the constructor makes
   * the listeners of spark.extraListeners long before SparkContext.getActive knows of it.
   */
  static SparkContext beingConstructed() { return context("contextBeingConstructed"); }

  /** The SparkContext of this JVM, null where there is none yet. */
  static SparkContext active() { return context("getActive"); }

  private static SparkContext context(String accessor) {
    try {
      Class<?> companion = Class.forName("org.apache.spark.SparkContext$", true, SparkContext.class.getClassLoader());
      Method method = companion.getDeclaredMethod(accessor);
      method.setAccessible(true);
      Object found = method.invoke(companion.getField("MODULE$").get(null));
      return found instanceof Option && ((Option<?>) found).isDefined() ? (SparkContext) ((Option<?>) found).get() : null;
    } catch (ReflectiveOperationException | RuntimeException e) {
      return null;
    }
  }

  private Scala() {}
}
