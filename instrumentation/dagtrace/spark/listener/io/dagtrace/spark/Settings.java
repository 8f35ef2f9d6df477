package io.dagtrace.spark;

import java.io.File;
import java.lang.management.ManagementFactory;
import java.net.InetAddress;
import java.net.URI;
import java.net.URISyntaxException;
import java.net.URLDecoder;
import java.net.UnknownHostException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Paths;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.spark.SparkConf;

/**
 * What the driver's environment says, and SparkConf where that says nothing. Only the environment, or a file that the
 * conf names, may hold secrets: SparkConf is on command lines, in the UI and in event logs.
 */
final class Settings {
  private static final List<String> OFF = Arrays.asList("false", "0", "no", "off");
  static final List<String> LEVELS = Arrays.asList("application", "sql", "job", "stage", "task");

  private static final Pattern SIZE = Pattern.compile("([0-9]+(?:\\.[0-9]+)?)\\s*(?:([kmg]?)(i?)b)?");

  private final Map<String, String> environment;
  private final SparkConf conf;
  private final boolean speaks;
  final boolean off;
  final String detail;
  final long budgetMs;
  final long timeoutMs;
  final long metricsMs;

  /** {@code speaks}: wrong values are said here; where Python drives, it says them. */
  Settings(SparkConf conf, Map<String, String> environment, boolean speaks) {
    this.conf = conf;
    this.environment = environment;
    off = "true".equalsIgnoreCase(env("OTEL_SDK_DISABLED")) || OFF.contains(env("DAGTRACE_ENABLED").toLowerCase());
    this.speaks = speaks && !off;
    detail = env("DAGTRACE_SPARK_DETAIL").isEmpty()
        ? detail("spark.dagtrace.detail", conf.get("spark.dagtrace.detail", "")) : detail("DAGTRACE_SPARK_DETAIL", env("DAGTRACE_SPARK_DETAIL"));
    budgetMs = (long) (1000 * number("DAGTRACE_FLUSH_TIMEOUT", 0, "2.0", "seconds, 0 or more"));
    double timeout = number("OTEL_EXPORTER_OTLP_TIMEOUT", Double.MIN_VALUE, "10", "a number above 0");
    timeoutMs = (long) Math.max(1, timeout < 500 ? 1000 * timeout : timeout); // seconds for Python's SDK, ms for the specification
    metricsMs = (long) number("OTEL_METRIC_EXPORT_INTERVAL", Double.MIN_VALUE, "60000", "a number above 0");
  }

  private String detail(String name, String text) {
    String level = text.trim().toLowerCase();
    if (level.isEmpty() || LEVELS.contains(level) && !level.equals("sql")) return level.isEmpty() ? "stage" : level;
    ignored(name, text, "one of application, job, stage, task", "stage");
    return "stage";
  }

  /** In the words of dagtrace/options.py. */
  private void ignored(String name, String text, String expected, Object otherwise) {
    if (speaks) Log.warn(name + "='" + Mask.mask(text) + "' is ignored: expected " + expected + "; using " + otherwise);
  }

  String env(String name) {
    String value = environment.get(name);
    return value == null ? "" : value.trim();
  }

  private double number(String name, double least, String otherwise, String expected) {
    String text = env(name);
    try {
      double value = Double.parseDouble(text.isEmpty() ? otherwise : text);
      if (value >= least && value < 1e9) return value;
    } catch (NumberFormatException e) {
      // said below
    }
    ignored(name, text, expected, otherwise);
    return Double.parseDouble(otherwise);
  }

  boolean wants(String signal) { return !env("OTEL_" + signal + "_EXPORTER").equals("none"); }

  boolean wantsSpan(String kind) {
    return LEVELS.indexOf(kind.substring("spark.".length())) <= LEVELS.indexOf(detail);
  }

  /** The parent of the application: SparkConf's, else the environment's; what neither has is "". */
  String parent() {
    String named = conf.get(Job.CONF_PARENT, "");
    return Identity.parse(named) != null ? named : env("TRACEPARENT");
  }

  /** Whether a trace without a parent is wanted, as dagtrace's other parts decide it: by the trace id alone. */
  boolean samples(String traceId) {
    String sampler = env("OTEL_TRACES_SAMPLER").toLowerCase();
    if (sampler.endsWith("always_off")) return false;
    if (!sampler.endsWith("traceidratio")) return true;
    double ratio = Math.min(1, number("OTEL_TRACES_SAMPLER_ARG", 0, "1", "a number, 0 or more"));
    long low = Long.parseUnsignedLong(traceId.substring(16), 16); // the SDK's TraceIdRatioBased compares these 64 bits
    double bound = Math.rint(ratio * 18446744073709551616.0);
    return ratio >= 1 || Long.compareUnsigned(low, unsigned(bound)) < 0;
  }

  private static long unsigned(double value) {
    return value >= 9223372036854775808.0 ? (long) (value - 9223372036854775808.0) + Long.MIN_VALUE : (long) value;
  }

  /** Where a signal ("traces", "metrics") is posted to; null for nowhere: local files. */
  String endpoint(String signal) {
    String own = env("OTEL_EXPORTER_OTLP_" + signal.toUpperCase() + "_ENDPOINT");
    if (!own.isEmpty()) return http(own);
    String all = env("OTEL_EXPORTER_OTLP_ENDPOINT");
    if (all.isEmpty()) all = plain(conf.get("spark.dagtrace.endpoint", ""));
    return all.isEmpty() ? null : http(all.replaceAll("/+$", "") + "/v1/" + signal);
  }

  /** Scheme, host, port and path: whatever else a SparkConf holds, no secret of ours has come by that way. */
  private static String plain(String url) {
    if (url.isEmpty()) return url;
    try {
      URI u = new URI(url);
      if (u.getHost() != null && u.getScheme() != null) {
        return new URI(u.getScheme(), null, u.getHost(), u.getPort(), u.getPath(), null, null).toString();
      }
    } catch (URISyntaxException e) {
      // said below
    }
    Log.warn("spark.dagtrace.endpoint=" + Mask.mask(url) + " is ignored: expected a URL such as http://collector:4318");
    return "";
  }

  /** The JVM speaks HTTP only: where gRPC is asked for, its neighbour port is the usual one. */
  private static String http(String url) {
    if (!url.matches(".*:4317(/.*)?")) return url;
    Log.warn("the Spark listener speaks OTLP over HTTP, not gRPC: it posts to port 4318 instead of 4317");
    return url.replaceFirst(":4317(?=/|$)", ":4318");
  }

  /** Headers of a signal's requests, from the environment and from the file that spark.dagtrace.headersFile names. */
  Map<String, String> headers(String signal) {
    Map<String, String> found = new LinkedHashMap<>();
    String file = conf.get("spark.dagtrace.headersFile", "");
    if (!file.isEmpty()) {
      try {
        String text = new String(Files.readAllBytes(Paths.get(file)), StandardCharsets.UTF_8);
        for (String line : text.split("[\\r\\n]+")) found.putAll(pairs(line.replaceFirst("^([^=:]+):\\s*", "$1=")));
      } catch (Exception e) {
        Log.warn("spark.dagtrace.headersFile=" + file + " cannot be read (" + e.getClass().getSimpleName() + ")");
      }
    }
    found.putAll(pairs(env("OTEL_EXPORTER_OTLP_HEADERS")));
    found.putAll(pairs(env("OTEL_EXPORTER_OTLP_" + signal.toUpperCase() + "_HEADERS")));
    int all = found.size();
    found.entrySet().removeIf(h -> !h.getKey().matches("[!#$%&'*+.^_`|~0-9A-Za-z-]+") || !h.getValue().matches("\\P{Cntrl}*"));
    if (found.size() < all) Log.warn("a header of OTLP's requests is ignored: it is no NAME=VALUE that HTTP knows");
    return found;
  }

  boolean gzip() { return env("OTEL_EXPORTER_OTLP_COMPRESSION").equals("gzip"); }

  String certificate() { return env("OTEL_EXPORTER_OTLP_CERTIFICATE"); }

  File home() {
    String home = env("DAGTRACE_HOME");
    if (home.isEmpty()) home = "~/.dagtrace";
    if (!home.equals("~") && !home.startsWith("~/")) return new File(home);
    String users = System.getProperty("user.home", "?"); // "?" where the user id has no name, as in some containers
    String below = home.length() > 2 ? home.substring(2) : ".";
    return users.isEmpty() || users.equals("?") ? new File(below) : home.length() > 2 ? new File(users, below) : new File(users);
  }

  /** Bytes; a number with a unit such as 512MiB, as in dagtrace/options.py. */
  long localMaxBytes() {
    Matcher size = SIZE.matcher(env("DAGTRACE_LOCAL_MAX_BYTES").toLowerCase());
    if (!size.matches()) {
      if (!env("DAGTRACE_LOCAL_MAX_BYTES").isEmpty()) ignored("DAGTRACE_LOCAL_MAX_BYTES", env("DAGTRACE_LOCAL_MAX_BYTES"), "a size such as 512MiB", 1L << 30);
      return 1L << 30;
    }
    int power = size.group(2) == null || size.group(2).isEmpty() ? 0 : "kmg".indexOf(size.group(2)) + 1;
    return (long) (Double.parseDouble(size.group(1)) * Math.pow("i".equals(size.group(3)) ? 1024 : 1000, power));
  }

  /** The inside of the resource's attributes. */
  String resource(String appName) {
    Map<String, String> named = new LinkedHashMap<>();
    named.put(Names.TELEMETRY_SDK_LANGUAGE, "java");
    named.put(Names.TELEMETRY_SDK_NAME, "dagtrace");
    named.put(Names.TELEMETRY_SDK_VERSION, Names.THE_VERSION);
    named.put(Names.SERVICE_NAME, appName);
    named.put(Names.SERVICE_INSTANCE_ID, UUID.randomUUID().toString());
    named.put(Names.HOST_NAME, host());
    named.putAll(pairs(env("OTEL_RESOURCE_ATTRIBUTES")));
    if (!env("OTEL_SERVICE_NAME").isEmpty()) named.put(Names.SERVICE_NAME, env("OTEL_SERVICE_NAME"));
    Attributes attributes = new Attributes();
    for (Map.Entry<String, String> pair : named.entrySet()) attributes.text(pair.getKey(), pair.getValue());
    long pid = pid();
    if (pid > 0) attributes.number(Names.PROCESS_PID, pid);
    return attributes.json.toString();
  }

  static String host() {
    try {
      return InetAddress.getLocalHost().getHostName();
    } catch (UnknownHostException e) {
      return "localhost";
    }
  }

  static long pid() {
    String name = ManagementFactory.getRuntimeMXBean().getName(); // pid@host, on every JVM there is
    try {
      return Long.parseLong(name.substring(0, Math.max(0, name.indexOf('@'))));
    } catch (NumberFormatException e) {
      return 0;
    }
  }

  /** {@code a=1,b=2}, percent-encoded; what is no pair is left out. */
  static Map<String, String> pairs(String text) {
    Map<String, String> found = new LinkedHashMap<>();
    for (String pair : text.split(",")) {
      int equals = pair.indexOf('=');
      if (equals <= 0) continue;
      try {
        String value = pair.substring(equals + 1).trim();
        found.put(pair.substring(0, equals).trim(), URLDecoder.decode(value.replace("+", "%2B"), "UTF-8"));
      } catch (Exception e) {
        found.put(pair.substring(0, equals).trim(), pair.substring(equals + 1).trim());
      }
    }
    return found;
  }
}
