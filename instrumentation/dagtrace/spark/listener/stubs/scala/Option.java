package scala;

public abstract class Option<A> {
  public final native boolean isDefined();

  public abstract A get();
}
