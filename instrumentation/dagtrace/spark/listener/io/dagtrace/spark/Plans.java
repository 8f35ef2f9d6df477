package io.dagtrace.spark;

import static io.dagtrace.spark.Scala.call;
import static io.dagtrace.spark.Scala.elements;
import static io.dagtrace.spark.Scala.text;

import java.net.URI;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/**
 * The reads and writes in a physical plan: one row of {@code KINDS} per node that does one.
 *
 * <p>Nodes are known by their class's name, so that nothing is linked that some Spark may lack. Only what is there
 * already is read: no job, no file system, no catalog.
 */
final class Plans {
  private static final int MOST = 5000; // nodes of one plan
  private static final int MOST_PIECES = 10_000; // pieces of files of one scan

  /** What one node reads or writes. */
  static final class Use {
    final Object node;
    final boolean cached; // below a cache: done by whichever execution filled the cache, shown by all that use it
    boolean write;
    List<DatasetName> names = Collections.emptyList();
    String table;
    String format;
    String operation = "read";
    Map<String, String> columns = Collections.emptyMap();
    Long rows;
    Long bytes;
    Long files;

    Use(Object node, boolean cached) {
      this.node = node;
      this.cached = cached;
    }

    /** Where a catalog's table lies is what it is, for whoever reads it by its path. */
    void table(Object catalogTable) {
      Object location = call(catalogTable, "location");
      if (!(location instanceof URI)) return;
      names = Collections.singletonList(DatasetName.at(plain((URI) location)));
      table = text(call(catalogTable, "identifier"), "unquotedString");
      Object schema = call(catalogTable, "schema");
      if (!fields(schema).isEmpty()) columns(schema); // all of it, where a write names a partition and not its column
    }

    /** As Hadoop's Path spells it: a blank is a blank. */
    private static String plain(URI uri) {
      String scheme = uri.getScheme() == null ? "" : uri.getScheme() + ":";
      return scheme + (uri.getAuthority() == null ? "" : "//" + uri.getAuthority()) + uri.getPath();
    }

    void columns(Object structType) { columns = columns(fields(structType)); }

    private static Map<String, String> columns(List<?> fields) {
      Map<String, String> columns = new LinkedHashMap<>();
      for (Object field : fields) {
        columns.putIfAbsent(String.valueOf(text(field, "name")), text(call(field, "dataType"), "catalogString"));
      }
      return columns;
    }
  }

  private interface Kind {
    /** Say what the node uses; false for something else that this class of nodes may do. */
    boolean describe(Object node, Use use);
  }

  private static final Map<String, Kind> KINDS = new HashMap<>();

  static {
    KINDS.put("org.apache.spark.sql.execution.FileSourceScanExec", Plans::fileScan);
    KINDS.put("org.apache.spark.sql.execution.datasources.v2.BatchScanExec", Plans::fileScanV2);
    KINDS.put("org.apache.spark.sql.hive.execution.HiveTableScanExec", Plans::hiveScan);
    KINDS.put("org.apache.spark.sql.execution.command.DataWritingCommandExec", Plans::writing);
  }

  /** Every read and write of the plan once, however often a node of it is used. */
  static List<Use> uses(Object root) {
    List<Use> found = new ArrayList<>();
    Set<Object> seen = Collections.newSetFromMap(new IdentityHashMap<>());
    Set<Object> caches = Collections.newSetFromMap(new IdentityHashMap<>());
    Deque<Object> ahead = new ArrayDeque<>();
    if (root != null) ahead.push(root);
    while (!ahead.isEmpty() && seen.size() < MOST) {
      Object node = ahead.pop();
      if (!seen.add(node)) continue;
      boolean cached = caches.contains(node);
      Kind kind = KINDS.get(node.getClass().getName());
      if (kind != null) {
        Use use = new Use(node, cached);
        if (kind.describe(node, use) && !use.names.isEmpty()) found.add(use);
      }
      List<Object> below = below(node);
      boolean fills = cached || node.getClass().getName().endsWith(".InMemoryTableScanExec");
      Collections.reverse(below);
      for (Object next : below) {
        if (next == null) continue;
        if (fills) caches.add(next);
        ahead.push(next);
      }
    }
    return found;
  }

  private static List<Object> below(Object node) {
    String type = node.getClass().getName();
    List<Object> below = new ArrayList<>();
    if (type.endsWith(".AdaptiveSparkPlanExec")) below.add(call(node, "executedPlan"));
    else if (type.endsWith("QueryStageExec")) below.add(call(node, "plan"));
    else if (type.endsWith(".InMemoryTableScanExec")) below.add(call(call(node, "relation"), "cachedPlan"));
    else if (type.endsWith(".ReusedSubqueryExec")) below.add(call(node, "child"));
    else if (!type.endsWith(".CommandResultExec")) below.addAll(elements(node, "children")); // that ran on its own
    below.addAll(elements(node, "subqueries"));
    return below;
  }

  /** The name of the table that a command makes out of a query, which itself is told but where that lies. */
  static String created(Object plan) {
    Object command = call(plan, "cmd");
    Object table = call(command, "table"); // a data source's
    return text(call(table == null ? call(command, "tableDesc") : table, "identifier"), "unquotedString");
  }

  // ---- one method per kind of node ----------------------------------------------------------------------------------

  private static boolean fileScan(Object node, Use use) {
    Object relation = call(node, "relation");
    use.format = format(call(relation, "fileFormat"), "FileFormat");
    use.columns(call(relation, "schema"));
    use.table(call(leaf(call(node, "logicalLink")), "catalogTable"));
    if (use.names.isEmpty()) use.names = DatasetName.of(elements(call(relation, "location"), "rootPaths"));
    return true;
  }

  private static boolean fileScanV2(Object node, Use use) {
    Object scan = call(node, "scan");
    Object index = call(scan, "fileIndex");
    if (index == null) return false; // not files
    use.format = format(scan, "Scan");
    use.names = DatasetName.of(elements(index, "rootPaths"));
    List<Object> fields = new ArrayList<>(fields(call(scan, "dataSchema")));
    fields.addAll(fields(call(index, "partitionSchema")));
    use.columns = Use.columns(fields);
    return true;
  }

  private static boolean hiveScan(Object node, Use use) {
    Object table = call(call(node, "relation"), "tableMeta");
    use.table(table);
    use.format = hiveFormat(table);
    return true;
  }

  private static boolean writing(Object node, Use use) {
    Object command = call(node, "cmd");
    String type = command.getClass().getName();
    use.write = true;
    use.columns = Use.columns(elements(command, "outputColumns"));
    if (type.endsWith(".InsertIntoHadoopFsRelationCommand")) {
      Object table = call(command, "catalogTable");
      use.format = format(call(command, "fileFormat"), "FileFormat");
      use.operation = operation(text(command, "mode"), Boolean.TRUE.equals(call(command, "dynamicPartitionOverwrite"))
          || !elements(command, "staticPartitions").isEmpty());
      use.table(table);
      if (use.names.isEmpty()) use.names = DatasetName.of(Collections.singletonList(call(command, "outputPath")));
      return true;
    }
    if (type.endsWith(".InsertIntoHiveTable")) {
      use.table(call(command, "table"));
      use.format = hiveFormat(call(command, "table"));
      boolean overwrite = Boolean.TRUE.equals(call(command, "overwrite"));
      use.operation = operation(overwrite ? "Overwrite" : "Append", !elements(command, "partition").isEmpty());
      return true;
    }
    return false;
  }

  /** The numbers of files and bytes that a scan without metrics of its own for them has read. */
  static void pieces(Use use) {
    if (call(use.node, "inputPartitions") == null) return; // Hive's
    Set<String> files = new HashSet<>();
    long bytes = 0;
    int pieces = 0;
    for (Object partition : elements(use.node, "inputPartitions")) {
      Object found = call(partition, "files");
      if (!(found instanceof Object[])) return;
      for (Object piece : (Object[]) found) {
        if (++pieces > MOST_PIECES) return;
        files.add(text(piece, "filePath"));
        bytes += ((Number) call(piece, "length")).longValue();
      }
    }
    use.files = (long) files.size();
    use.bytes = bytes;
  }

  private static String operation(String mode, boolean partitions) {
    switch (String.valueOf(mode)) {
      case "Append": return "append";
      case "Overwrite": return partitions ? "overwrite_partitions" : "overwrite";
      default: return "create"; // ErrorIfExists and Ignore: they write where nothing was
    }
  }

  /** The only leaf below a logical plan, null where there are several. */
  private static Object leaf(Object plan) {
    for (int depth = 0; plan != null && depth < 100; depth++) {
      List<Object> children = elements(plan, "children");
      if (children.isEmpty()) return plan;
      plan = children.size() == 1 ? children.get(0) : null;
    }
    return null;
  }

  private static String format(Object of, String suffix) {
    String named = text(of, "shortName");
    if (named != null || of == null) return named;
    String type = of.getClass().getName();
    type = type.substring(Math.max(type.lastIndexOf('.'), type.lastIndexOf('$')) + 1);
    return (type.endsWith(suffix) ? type.substring(0, type.length() - suffix.length()) : type).toLowerCase(Locale.ROOT);
  }

  /** By the class that writes it, which is what a metastore knows: hive's own way to say text, parquet or ORC. */
  private static String hiveFormat(Object table) {
    String type = String.valueOf(call(call(table, "storage"), "outputFormat")).toLowerCase(Locale.ROOT);
    for (String format : new String[] {"parquet", "orc", "avro", "sequence", "text"}) {
      if (type.contains(format)) return format;
    }
    return "hive";
  }

  private static List<Object> fields(Object structType) {
    Object fields = call(structType, "fields");
    return fields instanceof Object[] ? Arrays.asList((Object[]) fields) : Collections.emptyList();
  }

  private Plans() {}
}
