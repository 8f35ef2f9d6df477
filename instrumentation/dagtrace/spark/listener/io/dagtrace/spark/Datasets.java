package io.dagtrace.spark;

import static io.dagtrace.spark.Scala.call;
import static io.dagtrace.spark.Scala.elements;
import static io.dagtrace.spark.Scala.get;
import static io.dagtrace.spark.Scala.text;

import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import org.apache.spark.scheduler.SparkListenerEvent;
import org.apache.spark.scheduler.StageInfo;
import org.apache.spark.sql.execution.ui.SparkListenerSQLExecutionEnd;
import org.apache.spark.sql.execution.ui.SparkListenerSQLExecutionStart;

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
  private static final int MOST_OPEN = 1000; // executions
  private static final int MOST_COUNTED = 16_384; // accumulators
  private static final String ROWS = "number of output rows"; // what Spark calls the metric numOutputRows

  /** Accumulator id → its value, and how much of that has been told already; -1 for nothing. */
  private final Map<Long, long[]> counted = bounded(MOST_COUNTED);

  /** Executions that have started and not ended. */
  private final Map<Long, Started> open = bounded(MOST_OPEN);

  private long stages;

  private static final class Started {
    Object root;
    long stages; // that had been completed before
    boolean planned;
    boolean creates; // a table out of a query, which runs as an execution of its own
    boolean created; // that is this one
  }

  private static <V> Map<Long, V> bounded(int most) {
    return new LinkedHashMap<Long, V>(64, 0.75f, true) {
      @Override protected boolean removeEldestEntry(Map.Entry<Long, V> eldest) { return size() > most; }
    };
  }

  /** Take note of an execution: the end of it does not say what it is a part of, nor whether there ever was a plan. */
  void start(SparkListenerSQLExecutionStart e) {
    Started started = new Started();
    String first = String.valueOf(text(call(e, "sparkPlanInfo"), "nodeName"));
    started.planned = !first.isEmpty();
    started.creates = first.endsWith("TableAsSelectCommand");
    started.root = call(e, "rootExecutionId"); // Spark 3.4
    started.stages = stages;
    for (Started other : open.values()) started.created |= other.creates && Objects.equals(other.root, started.root);
    open.put(e.executionId(), started);
  }

  /** Take note of the rows that the operators of a stage have counted. */
  void stage(StageInfo info) {
    stages++;
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
    long[] entry = counted.computeIfAbsent((Long) id, k -> new long[] {-1, -1});
    entry[0] = Math.max(entry[0], ((Number) value).longValue());
  }

  /** Say on the execution's span what it read and wrote. */
  void describe(SparkListenerSQLExecutionEnd e, Span span) {
    Started started = open.remove(e.executionId());
    // Who asks again for a plan that could not be made gets the user's own exception, with our stack trace put into it.
    if (started == null || !started.planned) return;
    boolean failed = call(e, "executionFailure") != null;
    Map<String, Plans.Use> told = new LinkedHashMap<>();
    Object plan = call(call(e, "qe"), "executedPlan");
    if (started.creates) span.attributes.text(Names.DATA_DATASET_TABLE, Plans.created(plan));
    for (Plans.Use use : Plans.uses(plan)) {
      if (!measure(use, failed, stages > started.stages)) continue;
      if (started.created && use.operation.equals("overwrite")) use.operation = "create";
      for (DatasetName name : use.names) {
        Plans.Use same = told.get(use.write + name.uri());
        if (same != null) add(same, use);
        else if (told.size() < MOST) told.put(use.write + name.uri(), alone(use, name));
      }
    }
    Set<String> inputs = new LinkedHashSet<>();
    Set<String> outputs = new LinkedHashSet<>();
    for (Plans.Use use : told.values()) {
      (use.write ? outputs : inputs).add(Mask.mask(use.names.get(0).uri()));
      span.event(use.write ? Names.EVENT_DATA_WRITE : Names.EVENT_DATA_READ, e.time(), attributes(use));
    }
    span.attributes.texts(Names.DATA_INPUTS, inputs).texts(Names.DATA_OUTPUTS, outputs);
  }

  /**
   * Fill in the counts. False: this execution did not do it. Spark says nothing of rows where there were none; it says
   * nothing either where none has {@code run}, because somebody takes them one by one after the execution has ended.
   */
  private boolean measure(Plans.Use use, boolean failed, boolean run) {
    Object metrics = call(use.node, "metrics");
    long[] rows = counter(metrics, "numOutputRows");
    long[] files = counter(metrics, "numFiles");
    long[] bytes = counter(metrics, use.write ? "numOutputBytes" : "filesSize");
    boolean counts = get(metrics, "numFiles") != null;
    if (use.write) {
      if (files == null) return failed; // else "ignore" found something there
    } else if (!fresh(rows) && !fresh(files) && (counts || use.cached)) {
      return false;
    }
    // Files are counted when a scan is set up, and again read by whoever runs it again. What fills a cache adds up.
    boolean whole = fresh(files) || !use.cached;
    if (rows != null) use.rows = rows[0] - (use.cached ? Math.max(rows[1], 0) : 0);
    else if (run || (files != null && files[0] == 0)) use.rows = 0L;
    if (files != null && whole) use.files = files[0];
    if (bytes != null && whole) use.bytes = bytes[0];
    if (!counts && fresh(rows)) Plans.pieces(use);
    for (long[] counter : new long[][] {rows, files, bytes}) if (counter != null) counter[1] = counter[0];
    if (!use.cached && rows != null) rows[0] = rows[1] = -1; // its next execution starts at zero
    return true;
  }

  private long[] counter(Object metrics, String name) {
    Object id = call(get(metrics, name), "id");
    long[] counter = id == null ? null : counted.get(id);
    return counter == null || counter[0] < 0 ? null : counter;
  }

  private static boolean fresh(long[] counter) { return counter != null && counter[0] > counter[1]; }

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
        .text(Names.DATA_DATASET_NAME, Mask.mask(name.name)).text(Names.DATA_DATASET_TABLE, use.table)
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
