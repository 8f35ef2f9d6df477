package io.dagtrace.spark;

import java.lang.reflect.Method;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.spark.SparkContext;
import scala.Option;
import scala.collection.Iterator;

/**
 * Reads Scala objects by reflection: what is younger than the oldest Spark, what has a Seq in its descriptor (which is
 * another class in Scala 2.12 than in 2.13), and what a Spark without the module at hand does not have at all.
 */
final class Scala {
  private static final int MOST = 4000; // methods; looking one up costs a hundred times what calling it costs
  private static final Map<Object, Map<String, Method>> METHODS = new HashMap<>();
  private static int known;

  /** What {@code accessor} of {@code target} returns, an Option's content; null where there is no such accessor. */
  static Object call(Object target, String accessor) {
    return target == null ? null : invoke(target, accessor);
  }

  /** What a Scala Map has under {@code key}, else null. */
  static Object get(Object map, Object key) {
    return map == null ? null : invoke(map, "get", key);
  }

  static String text(Object target, String accessor) {
    Object found = call(target, accessor);
    return found == null ? null : found.toString();
  }

  /** The elements of a Scala collection. */
  static List<Object> elements(Object target, String accessor) { return all(call(target, accessor)); }

  /** The elements of what can be iterated in Scala; none of null. */
  static List<Object> all(Object collection) {
    List<Object> found = new ArrayList<>();
    Object iterator = call(collection, "iterator");
    if (iterator instanceof Iterator) {
      for (Iterator<?> i = (Iterator<?>) iterator; i.hasNext(); ) found.add(i.next());
    }
    return found;
  }

  /** The number {@code accessor} returns, {@code otherwise} where there is none. */
  static long number(Object target, String accessor, long otherwise) {
    Object value = call(target, accessor);
    return value instanceof Number ? ((Number) value).longValue() : otherwise;
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

  private static Object invoke(Object target, String name, Object... arguments) {
    try {
      Method method = method(target.getClass(), name, arguments.length);
      if (method == null) return null;
      Object value = method.invoke(target, arguments);
      if (!(value instanceof Option)) return value;
      return ((Option<?>) value).isDefined() ? ((Option<?>) value).get() : null;
    } catch (ReflectiveOperationException | LinkageError e) { // a signature of somebody's may name a class that is not here
      return null;
    }
  }

  /** Whether a listener of this class, another than {@code self}, is on the bus. */
  static boolean has(Object bus, String type, Object self) {
    Object listeners = call(bus, "listeners"); // a java.util.List
    if (listeners instanceof Iterable) {
      for (Object each : (Iterable<?>) listeners) if (each != self && each.getClass().getName().equals(type)) return true;
    }
    return false;
  }

  private static synchronized Method method(Class<?> type, String name, int arguments) {
    Map<String, Method> methods = METHODS.get(type);
    String key = arguments == 0 ? name : name + "()";
    if (methods == null || !methods.containsKey(key)) {
      if (known++ >= MOST) { // classes that a shell compiles as it goes must not be held for ever
        METHODS.clear();
        known = 1;
      }
      Method found = null;
      try {
        found = type.getMethod(name, arguments == 0 ? new Class<?>[0] : new Class<?>[] {Object.class});
      } catch (NoSuchMethodException older) {
        // null says so, here and the next time
      }
      METHODS.computeIfAbsent(type, t -> new HashMap<>()).put(key, found);
      return found;
    }
    return methods.get(key);
  }

  private Scala() {}
}
