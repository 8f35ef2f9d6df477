package io.dagtrace.spark;

import java.util.UUID;
import org.apache.spark.SparkConf;

/**
 * What OpenLineage's Airflow provider leaves in SparkConf, for applications that no trace context reached: run ids are
 * UUIDs, as long as a trace id, so that all applications of one DAG run share a trace. There is no span of that name to
 * hang below: nobody makes one, and a parent that nobody makes is an orphan (docs/adr/0006).
 */
final class OpenLineage {
  private static final String PARENT = "spark.openlineage.parentRunId";
  private static final String ROOT = "spark.openlineage.rootParentRunId";

  /** The trace of the root run, else of the parent run, else {@code otherwise}. */
  static String trace(SparkConf conf, String otherwise) {
    for (String key : new String[] {ROOT, PARENT}) {
      try {
        UUID id = UUID.fromString(conf.get(key, ""));
        if (id.getMostSignificantBits() != 0 || id.getLeastSignificantBits() != 0) return id.toString().replace("-", "");
      } catch (IllegalArgumentException none) {
        // not there, or no UUID
      }
    }
    return otherwise;
  }

  static void describe(SparkConf conf, Attributes to) {
    to.text(Names.OPENLINEAGE_PARENT_RUN_ID, conf.get(PARENT, ""))
        .text(Names.OPENLINEAGE_PARENT_JOB_NAME, conf.get("spark.openlineage.parentJobName", ""));
  }

  private OpenLineage() {}
}
