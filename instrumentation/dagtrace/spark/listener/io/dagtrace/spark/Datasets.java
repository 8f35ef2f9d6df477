package io.dagtrace.spark;

import static io.dagtrace.spark.Scala.call;
import static io.dagtrace.spark.Scala.elements;
import static io.dagtrace.spark.Scala.get;

import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.apache.spark.scheduler.SparkListenerEvent;
import org.apache.spark.scheduler.StageInfo;
import org.apache.spark.sql.execution.ui.SparkListenerSQLExecutionEnd;

/**
 * What each SQL execution read and wrote, told when it ends: one event per dataset and direction.
 *
 * <p>Which datasets: from the plan as it was run. How much: from what Spark told the listeners, a stage's accumulators
 * and the driver's own updates, and not from the metrics in the plan. Those belong to whoever runs the plan now: the
 * same DataFrame collected again sets them to zero while this queue may still have the first collect before it. And what
 * was not told, this execution did not do: what lies in a cache was read by the execution that filled it.
 */
final class Datasets {
  private static final int MOST = 32; // datasets of one execution
  private static final int MOST_COUNTED = 16_384; // accumulators with a value that nobody has asked for yet
  private static final String ROWS = "number of output rows"; // what Spark calls the metric numOutputRows

  /** Accumulator id → its value, and how much of that has been told already, -1 for never. */
  private final Map<Long, long[]> counted = new LinkedHashMap<Long, long[]>(64, 0.75f, true) {
    @Override protected boolean removeEldestEntry(Map.Entry<Long, long[]> eldest) { return size() > MOST_COUNTED; }
  };

  /** Take note of the rows that the operators of a stage have counted. */
  void stage(StageInfo info) {
    for (Object counter : elements(call(info, "accumulables"), "values")) {
      if (ROWS.equals(call(counter, "name"))) count(call(counter, "id"), call(counter, "value"));
    }
  }

  /** Take note of what the driver counted: files to read, and what a finished write has left. */
  void driver(SparkListenerEvent e) {
    if (!e.getClass().getName().endsWith(".SparkListenerDriverAccumUpdates")) return;
    for (Object pair : elements(e, "accumUpdates")) count(call(pair, "_1"), call(pair, "_2"));
  }

  private void count(Object id, Object value) {
    if (!(id instanceof Long) || !(value instanceof Number)) return;
    long[] entry = counted.computeIfAbsent((Long) id, k -> new long[] {0, -1});
    entry[0] = Math.max(entry[0], ((Number) value).longValue());
  }

  /** Say on the execution's span what it read and wrote. */
  void describe(SparkListenerSQLExecutionEnd e, Attributes span) {
    boolean failed = call(e, "executionFailure") != null;
    Map<String, Plans.Use> told = new LinkedHashMap<>();
    for (Plans.Use use : Plans.uses(call(call(e, "qe"), "executedPlan"))) {
      if (!measure(use, failed)) continue;
      for (DatasetName name : use.names) {
        Plans.Use same = told.get(use.write + name.uri());
        if (same != null) add(same, use);
        else if (told.size() < MOST) told.put(use.write + name.uri(), alone(use, name));
      }
    }
    Set<String> inputs = new LinkedHashSet<>();
    Set<String> outputs = new LinkedHashSet<>();
    for (Plans.Use use : told.values()) {
      (use.write ? outputs : inputs).add(use.names.get(0).uri());
      span.event(use.write ? Names.EVENT_DATA_WRITE : Names.EVENT_DATA_READ, e.time(), attributes(use));
    }
    span.texts(Names.DATA_INPUTS, inputs).texts(Names.DATA_OUTPUTS, outputs);
  }

  /** Fill in the counts. False: this execution did not do it. */
  private boolean measure(Plans.Use use, boolean failed) {
    Object metrics = call(use.node, "metrics");
    use.rows = take(metrics, "numOutputRows", use.cached);
    use.files = take(metrics, "numFiles", use.cached);
    use.bytes = take(metrics, use.write ? "numOutputBytes" : "filesSize", use.cached);
    if (use.write) return failed || use.files != null; // else "ignore" found something there
    boolean counts = get(metrics, "numFiles") != null;
    if (use.rows == null && use.files == null && (counts || use.cached)) return false;
    if (!counts && use.rows != null) Plans.pieces(use);
    if (use.rows == null) use.rows = 0L;
    return true;
  }

  private Long take(Object metrics, String name, boolean cached) {
    Object id = call(get(metrics, name), "id");
    long[] entry = id == null ? null : counted.get(id);
    if (entry == null) return null;
    if (!cached) {
      counted.remove(id);
      return entry[0];
    }
    long before = entry[1];
    entry[1] = entry[0];
    return entry[0] > before ? Long.valueOf(entry[0] - Math.max(before, 0)) : null;
  }

  /** One of the datasets of a use; of several nobody counted which gave how much. */
  private static Plans.Use alone(Plans.Use use, DatasetName name) {
    if (use.names.size() == 1) return use;
    Plans.Use one = new Plans.Use(use.node, use.cached);
    one.write = use.write;
    one.names = Collections.singletonList(name);
    one.format = use.format;
    one.operation = use.operation;
    one.columns = use.columns;
    return one;
  }

  private static void add(Plans.Use sum, Plans.Use use) {
    boolean one = use.names.size() == 1;
    sum.rows = add(sum.rows, one ? use.rows : null);
    sum.bytes = add(sum.bytes, one ? use.bytes : null);
    sum.files = add(sum.files, one ? use.files : null);
    if (sum.table == null) sum.table = use.table;
  }

  private static Long add(Long a, Long b) { return a == null || b == null ? null : Long.valueOf(a + b); }

  private static Attributes attributes(Plans.Use use) {
    DatasetName name = use.names.get(0);
    Attributes found = new Attributes().text(Names.DATA_DATASET_NAMESPACE, name.namespace)
        .text(Names.DATA_DATASET_NAME, name.name).text(Names.DATA_DATASET_TABLE, use.table)
        .text(Names.DATA_DATASET_FORMAT, use.format).text(Names.DATA_OPERATION, use.operation);
    if (use.rows != null) found.number(Names.DATA_ROWS, use.rows);
    if (use.bytes != null) found.number(Names.DATA_BYTES, use.bytes);
    if (use.files != null) found.number(Names.DATA_FILES, use.files);
    if (!use.columns.isEmpty()) {
      found.number(Names.DATA_SCHEMA_COLUMNS, use.columns.size())
          .text(Names.DATA_SCHEMA_FINGERPRINT, fingerprint(use.columns));
    }
    return found;
  }

  /** Of names and types whatever their order, which is not the same in a table and in what is written to it. */
  private static String fingerprint(Map<String, String> columns) {
    List<Object> parts = new ArrayList<>();
    new TreeMap<>(columns).forEach((name, type) -> {
      parts.add(name);
      parts.add(type);
    });
    return Identity.hash(8, parts);
  }
}
