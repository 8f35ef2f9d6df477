package io.dagtrace.spark;

import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Namespace and name of a dataset that lies in files, by OpenLineage's rules
 * (https://openlineage.io/docs/spec/naming): scheme and authority are the namespace, the path is the name.
 *
 * <p>The name is the dataset's and not a partition's: trailing folders that are partitions (day=1, 2026-01-31,
 * 2026/01/31) and the names of part files go. Credentials in the authority go, too; a container stays.
 */
final class DatasetName {
  private static final int MOST = 1000; // paths looked at of one scan; somebody may list a million files

  private static final Pattern URI = Pattern.compile("([A-Za-z][\\w+.-]*):(?://([^/]*))?(.*)", Pattern.DOTALL);
  private static final Pattern HOST = Pattern.compile("[^:@]*(?::\\d*)?|\\[[^\\]@]*\\](?::\\d*)?");
  private static final String YEAR = "(?:19|20)\\d\\d";
  private static final Pattern PARTITION = Pattern.compile(
      "(?:/[^/=]+=[^/]*"
          + "|/" + YEAR + "-\\d\\d(?:-\\d\\d)?(?:[T_ -]\\d\\d[^/]*)?|/" + YEAR + "[01]\\d[0-3]\\d(?:[T_-]?\\d\\d)?"
          + "|/" + YEAR + "(?:/[01]\\d(?:/[0-3]\\d(?:/[0-2]\\d)?)?)?"
          + "|/(?:part-|\\d{6}_\\d)[^/]*|/+)$");
  private static final Pattern FILE = Pattern.compile(
      "(.+)/[^/]+\\.(?:parquet|orc|csv|tsv|json|jsonl|ndjson|txt|avro|xml|gz|bz2|zst|snappy|lz4|zip)");

  final String namespace;
  final String name;

  private DatasetName(String namespace, String name) {
    this.namespace = namespace;
    this.name = name;
  }

  /** The dataset at {@code location}, which is the root of one: nothing but credentials is stripped. */
  static DatasetName at(String location) {
    Matcher uri = URI.matcher(location);
    String scheme = "file";
    String authority = "";
    String path = location;
    if (uri.matches()) {
      scheme = uri.group(1).toLowerCase(Locale.ROOT);
      authority = uri.group(2) == null ? "" : uri.group(2);
      path = uri.group(3);
    }
    boolean bucket = scheme.matches("s3[an]?|gs|wasbs?");
    int at = path.lastIndexOf('@');
    if (at >= 0 && authority.indexOf(':') >= 0 && authority.indexOf('@') < 0
        && (bucket || !HOST.matcher(authority).matches())) {
      authority = path.substring(at + 1); // a secret with a / in it: what follows its @ is the host
      int slash = authority.indexOf('/');
      path = slash < 0 ? "" : authority.substring(slash);
      authority = slash < 0 ? authority : authority.substring(0, slash);
    }
    int user = authority.lastIndexOf('@');
    boolean container = scheme.matches("abfss?|wasbs?") && authority.indexOf(':') < 0;
    if (user >= 0 && !container) authority = authority.substring(user + 1);
    if (scheme.matches("s3[an]")) scheme = "s3";
    if (bucket && path.length() > 1 && path.startsWith("/")) path = path.substring(1);
    return new DatasetName(authority.isEmpty() ? scheme : scheme + "://" + authority, path.isEmpty() ? "/" : path);
  }

  /** The datasets that these paths, each a folder or a file of one, belong to. */
  static List<DatasetName> of(List<?> paths) {
    Set<String> roots = new LinkedHashSet<>();
    for (Object path : paths.subList(0, Math.min(paths.size(), MOST))) roots.add(root(path.toString()));
    if (roots.size() > 1) { // files that were listed one by one are one dataset, their folder
      Set<String> folders = new LinkedHashSet<>();
      for (String root : roots) {
        Matcher file = FILE.matcher(root);
        folders.add(file.matches() ? root(file.group(1)) : root);
      }
      roots = folders;
    }
    List<DatasetName> names = new ArrayList<>();
    for (String root : roots) names.add(at(root));
    return names;
  }

  /** The path without partitions and part files at its end. */
  private static String root(String path) {
    String root = path;
    while (true) {
      Matcher end = PARTITION.matcher(root);
      if (!end.find() || end.start() == 0) return root;
      String shorter = root.substring(0, end.start());
      if (shorter.endsWith(":") || shorter.endsWith(":/")) return root; // nothing but a host, or less, would be left
      root = shorter;
    }
  }

  /** Namespace and name in one, as OpenLineage makes a URI of them. */
  String uri() {
    String separator = namespace.contains("://") ? name.startsWith("/") ? "" : "/" : ":";
    return namespace + separator + name;
  }
}
