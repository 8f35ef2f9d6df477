import java.lang.reflect.Array;
import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
import java.util.ArrayDeque;
import java.util.IdentityHashMap;
import java.util.Map;

/**
 * How much an object holds on to: whatever can be reached from it, by way of any field. What belongs to Spark or Scala,
 * and locks, is counted where it is held, and not entered. Spark's own {@code --add-opens} let it into the JDK's collections.
 */
public final class Reach {
  /** Objects and their bytes (without headers and padding: references count 8, whatever the JVM makes of them). */
  public String of(Object root) throws IllegalAccessException {
    synchronized (root) {
      Map<Object, Object> seen = new IdentityHashMap<>();
      ArrayDeque<Object> open = new ArrayDeque<>();
      long bytes = 0;
      seen.put(root, root);
      open.add(root);
      while (!open.isEmpty()) {
        Object at = open.remove();
        Class<?> type = at.getClass();
        if (type.isArray()) {
          Class<?> element = type.getComponentType();
          bytes += (long) Array.getLength(at) * size(element);
          if (!element.isPrimitive()) for (Object each : (Object[]) at) enter(each, seen, open);
        }
        for (Class<?> c = type; c != null && !type.isArray() && !foreign(at); c = c.getSuperclass()) {
          for (Field field : c.getDeclaredFields()) {
            if (Modifier.isStatic(field.getModifiers())) continue;
            bytes += size(field.getType());
            if (field.getType().isPrimitive()) continue;
            field.setAccessible(true);
            enter(field.get(at), seen, open);
          }
        }
      }
      return seen.size() + " " + bytes;
    }
  }

  private static void enter(Object value, Map<Object, Object> seen, ArrayDeque<Object> open) {
    if (value != null && !(value instanceof Class) && !(value instanceof ClassLoader) && !(value instanceof Thread)
        && seen.put(value, value) == null) open.add(value);
  }

  private static boolean foreign(Object value) {
    String name = value.getClass().getName();
    return name.startsWith("org.apache.") || name.startsWith("scala.") || name.startsWith("java.util.concurrent.locks.");
  }

  private static int size(Class<?> type) {
    if (type == byte.class || type == boolean.class) return 1;
    if (type == short.class || type == char.class) return 2;
    return type == int.class || type == float.class ? 4 : 8;
  }
}
