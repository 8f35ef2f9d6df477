package io.dagtrace.spark;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.HttpURLConnection;
import java.net.URL;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Paths;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.util.Base64;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.zip.GZIPOutputStream;
import javax.net.ssl.HttpsURLConnection;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLSocketFactory;
import javax.net.ssl.TrustManagerFactory;

/** Posts OTLP/JSON. HttpURLConnection, because java.net.http needs Java 11 and Spark 3 runs on 8. */
final class Http implements Destination {
  private static final Pattern REJECTED = Pattern.compile("\"rejected(?:Spans|DataPoints)\"\\s*:\\s*\"?(\\d+)");

  private final URL url;
  private final Map<String, String> headers;
  private final Settings settings;
  private final SSLSocketFactory trusted;

  Http(String url, String signal, Settings settings) throws Exception {
    this.url = new URL(url);
    if (!this.url.getProtocol().startsWith("http")) throw new IOException("no http URL");
    this.settings = settings;
    headers = settings.headers(signal);
    String user = this.url.getUserInfo();
    if (user != null) { // of the environment: SparkConf's has been taken off
      byte[] bytes = decoded(user).getBytes(StandardCharsets.UTF_8);
      headers.putIfAbsent("Authorization", "Basic " + Base64.getEncoder().encodeToString(bytes));
    }
    trusted = settings.certificate().isEmpty() ? null : trust(settings.certificate());
  }

  /** A colon or an @ in a password is percent-encoded in a URL, and nowhere else; a + is one. */
  private static String decoded(String user) throws IOException {
    try {
      return URLDecoder.decode(user.replace("+", "%2B"), "UTF-8");
    } catch (IllegalArgumentException e) { // somebody's password has a bare %
      return user;
    }
  }

  @Override public String toString() {
    return url.getProtocol() + "://" + url.getHost() + (url.getPort() < 0 ? "" : ":" + url.getPort()) + url.getPath();
  }

  @Override public int send(String body, long withinMs) throws IOException {
    HttpURLConnection connection = (HttpURLConnection) url.openConnection();
    if (trusted != null && connection instanceof HttpsURLConnection) {
      ((HttpsURLConnection) connection).setSSLSocketFactory(trusted);
    }
    int timeout = (int) Math.max(1, Math.min(withinMs, settings.timeoutMs));
    connection.setConnectTimeout(timeout);
    connection.setReadTimeout(timeout);
    connection.setInstanceFollowRedirects(false);
    connection.setRequestMethod("POST");
    connection.setDoOutput(true);
    connection.setRequestProperty("Content-Type", "application/json");
    connection.setRequestProperty("User-Agent", "OTel-OTLP-Exporter-dagtrace-java/" + Names.THE_VERSION);
    for (Map.Entry<String, String> header : headers.entrySet()) {
      connection.setRequestProperty(header.getKey(), header.getValue());
    }
    byte[] data = body.getBytes(StandardCharsets.UTF_8);
    if (settings.gzip()) {
      connection.setRequestProperty("Content-Encoding", "gzip");
      data = zipped(data);
    }
    connection.setFixedLengthStreamingMode(data.length);
    try (OutputStream out = connection.getOutputStream()) {
      out.write(data);
    }
    int status = connection.getResponseCode();
    String answer = read(status < 400 ? connection.getInputStream() : connection.getErrorStream());
    if (status == 429 || status >= 500) throw new IOException("it answered " + status); // asked again later
    if (status >= 300) throw new Refused("it answered " + status);
    Matcher rejected = REJECTED.matcher(answer);
    return rejected.find() ? Integer.parseInt(rejected.group(1)) : 0;
  }

  /** Read all of an answer, so that the connection can be used again; its first 4 KB matter. */
  private static String read(InputStream in) throws IOException {
    if (in == null) return "";
    try (InputStream body = in) {
      byte[] buffer = new byte[4096];
      ByteArrayOutputStream kept = new ByteArrayOutputStream();
      for (int n; (n = body.read(buffer)) >= 0; ) if (kept.size() < buffer.length) kept.write(buffer, 0, n);
      return new String(kept.toByteArray(), StandardCharsets.UTF_8);
    }
  }

  private static byte[] zipped(byte[] data) throws IOException {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (GZIPOutputStream zip = new GZIPOutputStream(bytes)) {
      zip.write(data);
    }
    return bytes.toByteArray();
  }

  /** Trust the authorities in a PEM file (OTEL_EXPORTER_OTLP_CERTIFICATE), and no others. */
  private static SSLSocketFactory trust(String pem) throws Exception {
    KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
    store.load(null, null);
    try (InputStream in = Files.newInputStream(Paths.get(pem))) {
      int n = 0;
      for (Certificate c : CertificateFactory.getInstance("X.509").generateCertificates(in)) store.setCertificateEntry("" + n++, c);
    }
    TrustManagerFactory managers = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
    managers.init(store);
    SSLContext context = SSLContext.getInstance("TLS");
    context.init(null, managers.getTrustManagers(), null);
    return context.getSocketFactory();
  }
}
