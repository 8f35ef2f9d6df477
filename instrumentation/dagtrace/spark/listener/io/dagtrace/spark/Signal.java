package io.dagtrace.spark;

import java.io.IOException;

/** One signal's way out. A destination that is away is asked again, ever more seldom, and another signal does not wait for it. */
final class Signal {
  private static final long FIRST_PAUSE = 500; // ms
  private static final long LONGEST_PAUSE = 15_000;

  private final String what; // in a user's words
  private final Destination to;
  private final Losses losses; // of its items; null where they are no records
  private long pause;
  private long next = Long.MIN_VALUE;
  private volatile String trouble = "";

  Signal(String what, Destination to, Losses losses) {
    this.what = what;
    this.to = to;
    this.losses = losses;
  }

  /** Whether it is time to try. */
  boolean due(boolean ending) {
    return now() >= next || ending && now() >= next - pause + Math.min(pause, 200); // at the end every moment counts
  }

  /** What its destination said last of being away, "" where it is not. */
  String trouble() { return trouble; }

  @Override public String toString() { return to.toString(); }

  /** Post a request that holds {@code count} items; false where the destination is away. */
  boolean post(String body, int count, long withinMs) {
    try {
      int rejected = to.send(body, Math.max(1, withinMs));
      if (rejected > 0) lost(Losses.Reason.REFUSED, rejected, to + " rejected them");
    } catch (Destination.Refused e) {
      lost(Losses.Reason.REFUSED, count, to + ": " + e.getMessage());
      Log.warn(count + " of Spark's " + what + " were refused by " + to + ": " + e.getMessage());
    } catch (RuntimeException e) { // a header that is none, say; its text may be the secret
      lost(Losses.Reason.ERROR, count, e.getClass().getName());
      Log.warn(count + " of Spark's " + what + " could not be sent to " + to + ": " + e.getClass().getName());
    } catch (IOException e) {
      trouble = Mask.mask(String.valueOf(e.getMessage()));
      pause = Math.min(Math.max(FIRST_PAUSE, 2 * pause), LONGEST_PAUSE);
      next = now() + pause;
      Log.warn("Spark's " + what + " cannot be delivered to " + to + " (" + trouble + "); it is tried again");
      return false;
    }
    trouble = "";
    pause = 0;
    next = Long.MIN_VALUE;
    return true;
  }

  private void lost(Losses.Reason reason, int count, String why) {
    if (losses != null) losses.add(reason, count, why);
  }

  static long now() { return System.nanoTime() / 1_000_000; }
}
