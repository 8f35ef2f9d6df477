package io.dagtrace.spark;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.spark.SparkConf;

/**
 * What the numbers of a stage attempt, or of the application, say is wrong with it. docs/diagnosis.md is this table in
 * words. A threshold is overridden by {@code spark.dagtrace.diagnosis.NAME}, what it takes to be looked at at all by
 * {@code spark.dagtrace.diagnosis.NAME.floor}.
 */
final class Diagnosis {
  /** One rule: {@code measure} above {@code threshold}, where {@code size} is above {@code floor}. */
  private static final class Rule {
    final String name, measure, size;
    double threshold, floor;

    Rule(String name, String measure, double threshold, String size, double floor) {
      this.name = name;
      this.measure = measure;
      this.threshold = threshold;
      this.size = size;
      this.floor = floor;
    }

    boolean holds(Map<String, Number> numbers) {
      return value(numbers, measure) > threshold && value(numbers, size) > floor;
    }

    static double value(Map<String, Number> numbers, String name) {
      Number value = numbers.get(name);
      return value == null ? 0 : value.doubleValue();
    }
  }

  private static final String FAILED_SHARE = "failed share";
  private static final String SMALLNESS = "tasks of median duration per second";
  private static final double GIB = 1L << 30;

  private final Rule[] ofStage = {
    new Rule("skew", Names.SPARK_STAGE_SKEW, 10, Names.SPARK_STAGE_TASK_DURATION_MAX, 5),
    new Rule("gc", Names.SPARK_STAGE_GC_SHARE, 0.1, Names.SPARK_STAGE_RUN_TIME, 10),
    new Rule("fetch_wait", Names.SPARK_STAGE_FETCH_WAIT_SHARE, 0.2, Names.SPARK_STAGE_RUN_TIME, 10),
    new Rule("scheduler_delay", Names.SPARK_STAGE_SCHEDULER_DELAY_SHARE, 0.2, Names.SPARK_STAGE_SCHEDULER_DELAY, 10),
    new Rule("spill", Names.SPARK_STAGE_SPILL_DISK_BYTES, 0, Names.SPARK_STAGE_SPILL_DISK_BYTES, 0),
    new Rule("small_tasks", Names.SPARK_STAGE_TASKS_SUCCEEDED, 5000, SMALLNESS, 2),
    new Rule("big_partition", Names.SPARK_STAGE_TASK_BYTES_MAX, 5 * GIB, Names.SPARK_STAGE_TASK_BYTES_MAX, 0),
    new Rule("failed_tasks", FAILED_SHARE, 0.1, Names.SPARK_STAGE_TASKS_FAILED, 0),
  };
  private final Rule[] ofApplication = {
    new Rule("idle_cores", Names.SPARK_APPLICATION_IDLE_SHARE, 0.5, Names.SPARK_APPLICATION_CORE_TIME, 60),
  };

  Diagnosis(SparkConf conf) {
    for (Rule[] rules : new Rule[][] {ofStage, ofApplication}) {
      for (Rule rule : rules) {
        String key = "spark.dagtrace.diagnosis." + rule.name;
        rule.threshold = number(conf, key, rule.threshold);
        rule.floor = number(conf, key + ".floor", rule.floor);
      }
    }
  }

  private static double number(SparkConf conf, String key, double otherwise) {
    String text = conf.get(key, "");
    if (text.isEmpty()) return otherwise;
    try {
      double value = Double.parseDouble(text);
      if (!Double.isNaN(value)) return value;
    } catch (NumberFormatException e) {
      // said below
    }
    Log.warn(key + "=" + Mask.mask(text) + " is ignored: expected a number; using " + otherwise);
    return otherwise;
  }

  void ofStage(Attributes stage) {
    Map<String, Number> numbers = stage.numbers;
    double run = Rule.value(numbers, Names.SPARK_STAGE_RUN_TIME);
    double durations = Rule.value(numbers, Totals.DURATIONS);
    if (run > 0) {
      stage.decimal(Names.SPARK_STAGE_GC_SHARE, Rule.value(numbers, Names.SPARK_STAGE_GC_TIME) / run)
          .decimal(Names.SPARK_STAGE_FETCH_WAIT_SHARE, Rule.value(numbers, Names.SPARK_STAGE_SHUFFLE_READ_FETCH_WAIT) / run)
          .decimal(Names.SPARK_STAGE_CPU_SHARE, Rule.value(numbers, Names.SPARK_STAGE_CPU_TIME) / run);
    }
    if (durations > 0) {
      stage.decimal(Names.SPARK_STAGE_SCHEDULER_DELAY_SHARE,
          Rule.value(numbers, Names.SPARK_STAGE_SCHEDULER_DELAY) / durations);
    }
    double failed = Rule.value(numbers, Names.SPARK_STAGE_TASKS_FAILED);
    numbers.put(FAILED_SHARE, failed / Math.max(1, failed + Rule.value(numbers, Names.SPARK_STAGE_TASKS_SUCCEEDED)));
    numbers.put(SMALLNESS, 1 / Math.max(1e-3, Rule.value(numbers, Names.SPARK_STAGE_TASK_DURATION_P50)));
    say(ofStage, stage);
  }

  void ofApplication(Attributes application) { say(ofApplication, application); }

  private static void say(Rule[] rules, Attributes of) {
    List<String> found = new ArrayList<>();
    for (Rule rule : rules) if (rule.holds(of.numbers)) found.add(rule.name);
    of.texts(Names.SPARK_DIAGNOSIS, found);
  }

  /** For the tests, which compare it with docs/diagnosis.md: a line per rule. */
  static String table() {
    StringBuilder lines = new StringBuilder();
    Diagnosis defaults = new Diagnosis(new SparkConf(false));
    for (Rule[] rules : new Rule[][] {defaults.ofStage, defaults.ofApplication}) {
      for (Rule r : rules) lines.append(r.name).append(' ').append(r.threshold).append(' ').append(r.floor).append('\n');
    }
    return lines.toString();
  }
}
