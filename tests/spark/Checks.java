package io.dagtrace.spark;

import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.spark.SparkConf;
import org.apache.spark.scheduler.SparkListenerApplicationStart;
import org.apache.spark.scheduler.SparkListenerJobEnd;
import org.apache.spark.scheduler.SparkListenerJobStart;
import scala.Option;

/** Asks the listener's own classes what can hardly be asked through Spark; test_listener.py runs it, and knows the answers. */
public final class Checks {
  private static final Metrics.Source ROWS = new Metrics.Source("rows", "{row}", false, "", "", false, "", "");

  private static void say(String name, Object value) { System.out.println(name + "=" + value); }

  private static Map<String, String> environment(String... pairs) {
    Map<String, String> made = new HashMap<>();
    for (int i = 0; i < pairs.length; i += 2) made.put(pairs[i], pairs[i + 1]);
    return made;
  }

  private static Settings settings(String... pairs) { return new Settings(new SparkConf(false), environment(pairs), true); }

  private static Outbox.Line line(int number, String text) {
    String json = "{\"n\":\"" + number + "\",\"text\":\"" + text + "\"}";
    return new Outbox.Line(json, "spark.job", new Identity.Parent("00", "00", true), Collections.singletonList(new Meter.Point(ROWS, 1, "")));
  }

  public static void outbox() throws Exception {
    char[] kilobytes = new char[10_000];
    Arrays.fill(kilobytes, 'x');
    for (String text : Arrays.asList(new String(kilobytes), new String(kilobytes).replace('x', '日'))) {
      Outbox outbox = new Outbox();
      Meter meter = new Meter(line -> true);
      outbox.put(line(0, text));
      outbox.measureBy(meter);
      for (int i = 1; i < 3000; i++) outbox.put(line(i, text));
      List<Outbox.Line> left = outbox.take(Integer.MAX_VALUE, 0);
      say("outbox lost", outbox.losses.describe());
      say("outbox bytes", left.stream().mapToLong(l -> l.json.length()).sum());
      say("outbox kept", left.size() + " " + left.get(left.size() - 1).json.substring(0, 12));
      say("outbox measured", meter.collect().replaceAll(".*\"asInt\":\"(\\d+)\".*", "$1"));
      outbox.putBack(left);
      say("outbox back", outbox.take(1, 0).get(0).forPython().substring(0, 27));
      say("outbox news", outbox.losses.news() + "; " + outbox.losses.news());
    }
  }

  public static void options() {
    Settings found = settings("DAGTRACE_SPARK_DETAIL", "everything", "DAGTRACE_LOCAL_MAX_BYTES", "much",
        "OTEL_EXPORTER_OTLP_TIMEOUT", "0", "DAGTRACE_FLUSH_TIMEOUT", "password=hunter2", "OTEL_METRIC_EXPORT_INTERVAL", "soon",
        "OTEL_TRACES_SAMPLER", "traceidratio", "OTEL_TRACES_SAMPLER_ARG", "half");
    say("options", found.detail + " " + found.localMaxBytes() + " " + found.timeoutMs + " " + found.budgetMs + " " + found.metricsMs
        + " " + found.samples("00000000000000000000000000000001"));
    found = settings("DAGTRACE_SPARK_DETAIL", " Job", "DAGTRACE_LOCAL_MAX_BYTES", "1.5 KiB", "OTEL_EXPORTER_OTLP_TIMEOUT", "3");
    say("options", found.detail + " " + found.localMaxBytes() + " " + found.timeoutMs);
    new Settings(new SparkConf(false), environment("DAGTRACE_SPARK_DETAIL", "quiet"), false);
    new Settings(new SparkConf(false).set("spark.dagtrace.detail", "deep"), environment(), true);
    for (String word : Arrays.asList("false", "0", "No", " off ", "", "true")) say("off", settings("DAGTRACE_ENABLED", word).off);
  }

  public static void home() {
    System.setProperty("user.home", "?");
    for (String home : Arrays.asList("", "~/x", "~", "/there")) say("home", settings("DAGTRACE_HOME", home).home());
    System.setProperty("user.home", "/home/me");
    for (String home : Arrays.asList("", "~/x", "~", "/there")) say("home", settings("DAGTRACE_HOME", home).home());
  }

  public static void headers() {
    say("headers", settings("OTEL_EXPORTER_OTLP_HEADERS",
        "good=1,none,=hunter2,bad name=hunter2,two=hunter2%0d%0aX: y,percent=%zz, spaced = a%20b ,utf=é").headers("traces"));
  }

  public static void http(String url) throws Exception {
    Http http = new Http(url.replace("//", "//us%40er:p%20w+%3A@") + "/v1/traces", "traces", settings());
    say("http", http);
    say("http", http.send("{\"resourceSpans\":[]}", 5000));
    http = new Http(url.replace("//", "//us%zzer:pw@") + "/v1/traces", "traces", settings());
    say("http", http.send("{\"resourceSpans\":[]}", 5000));
  }

  public static void scala() { say("scala", Scala.call(new Broken(), "anything") + " " + Scala.call("text", "length")); }

  public static final class Missing {}

  /** A class of somebody's; the test takes Missing away. */
  public static final class Broken {
    public String anything() { return "found"; }

    public Missing other() { return null; }
  }

  @SuppressWarnings("unchecked")
  private static SparkListenerJobStart started(int id) {
    return new SparkListenerJobStart(id, 1000, (scala.collection.immutable.Seq<org.apache.spark.scheduler.StageInfo>) (Object)
        scala.collection.immutable.Nil$.MODULE$, new Properties());
  }

  public static void forgotten() throws Exception {
    Outbox outbox = new Outbox();
    SparkListenerApplicationStart event =
        new SparkListenerApplicationStart("app", Option.apply("id"), 1000, "me", Option.empty(), Option.empty(), Option.empty());
    Application application = Application.of(event, new SparkConf(false), null, outbox, false);
    Job.start(application, started(0));
    Job first = application.jobs.get(0);
    Span below = new Span(application, first, "spark.stage", "00000000000000aa", 1000) {
      @Override void done() {}
    };
    Job.end(application, new SparkListenerJobEnd(0, 5000, org.apache.spark.scheduler.JobSucceeded$.MODULE$));
    for (int id = 1; id <= 10_000; id++) Job.start(application, started(id));
    say("forgotten", application.open + " " + application.end + " " + application.jobs.containsKey(0));
    below.end(9000);
    say("forgotten", application.open + " " + outbox.records);
  }

  public static void main(String[] arguments) throws Exception {
    outbox();
    options();
    home();
    headers();
    http(arguments[0]);
    scala();
    forgotten();
  }
}
