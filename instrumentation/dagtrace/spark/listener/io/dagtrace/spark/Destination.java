package io.dagtrace.spark;

import java.io.IOException;

/** Where export requests go. */
interface Destination {
  /** Deliver one request within that time; return how many of its items were turned away. IOException: try again later. */
  int send(String body, long withinMs) throws IOException;

  /** It will not take this request, however often it is asked. */
  final class Refused extends IOException {
    private static final long serialVersionUID = 1;

    Refused(String why) { super(why); }
  }
}
