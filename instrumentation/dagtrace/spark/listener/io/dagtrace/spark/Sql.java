package io.dagtrace.spark;

import io.dagtrace.spark.Identity.Parent;
import org.apache.spark.sql.execution.ui.SparkListenerSQLExecutionEnd;
import org.apache.spark.sql.execution.ui.SparkListenerSQLExecutionStart;

/** One SQL execution. */
final class Sql extends Span {
  final long id;
  private boolean decided;

  /** Begin one; it is below the execution that it is a part of, where there is one. */
  static void start(Application application, SparkListenerSQLExecutionStart e) {
    Object root = Scala.call(e, "rootExecutionId"); // Spark 3.4
    Sql above = root instanceof Number ? application.executions.get(((Number) root).longValue()) : null;
    Sql sql = new Sql(application, above == null ? application : above, e.executionId(), e.time());
    // Connect's server makes its description out of the plan, whose content nobody has asked for.
    boolean connect = String.valueOf(Scala.call(e, "jobTags")).contains("SparkConnect_"); // Spark 3.5
    sql.attributes.text(Names.SPARK_SQL_DESCRIPTION, connect ? "Spark Connect" : Description.of(e.description()));
    if (root instanceof Number && ((Number) root).longValue() != e.executionId()) {
      sql.attributes.number(Names.SPARK_SQL_EXECUTION_ROOT_ID, ((Number) root).longValue());
    }
    application.executions.put(e.executionId(), sql);
    application.datasets.start(e);
  }

  static void end(Application application, SparkListenerSQLExecutionEnd e) {
    Sql sql = application.executions.get(e.executionId());
    if (sql == null) return;
    Object thrown = Scala.call(e, "executionFailure");
    Object message = Scala.call(e, "errorMessage"); // Spark 3.4; "" for none
    if (thrown instanceof Throwable) {
      sql.fail(Failure.of((Throwable) thrown));
      Object condition = Scala.call(thrown, "getCondition"); // Spark 4.0, "error class" before
      if (condition == null) condition = Scala.call(thrown, "getErrorClass");
      if (condition instanceof String) sql.attributes.text(Names.SPARK_ERROR_CONDITION, (String) condition);
      Object state = Scala.call(thrown, "getSqlState");
      if (state instanceof String) sql.attributes.text(Names.SPARK_ERROR_SQLSTATE, (String) state);
    } else if (message instanceof String && !((String) message).isEmpty()) {
      sql.fail(Failure.of("SparkException", (String) message));
    }
    try {
      application.datasets.describe(e, sql);
    } finally {
      sql.conclude(e.time());
    }
  }

  private void conclude(long time) {
    attributes.text(Names.SPARK_SQL_RESULT, failure != null ? "failed" : cancelled ? "cancelled" : "succeeded");
    end(time);
  }

  private Sql(Application application, Span above, long id, long time) {
    super(application, above, "spark.sql", Identity.hash(8, "spark.sql", application.spanId, id), time);
    this.id = id;
    attributes.number(Names.SPARK_SQL_EXECUTION_ID, id);
    application.forgetEldest(application.executions);
  }

  /** Its start event names no thread, so the first job of an execution, or of one nested in it, says whose it is. */
  void decide(Parent named) {
    if (decided) return;
    decided = true;
    if (above instanceof Sql) ((Sql) above).decide(named); else adopted = named;
  }

  @Override void done() {
    decide(null);
    application.executions.remove(id);
    write();
  }
}
