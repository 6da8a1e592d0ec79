// Failures as the protocol has them: a kind for programs, a message and a remedy for people.

/** What every promise of the API is rejected with, except for aborts. */
export class RefVlmError extends Error {
  /** @param {{kind: string, message: string, remedy: string}} failure */
  constructor(failure) {
    super(failure.message);
    this.name = "RefVlmError";
    this.kind = failure.kind;
    this.remedy = failure.remedy;
  }
}

export function fail(kind, message, remedy) {
  throw new RefVlmError({ kind, message, remedy });
}

export function aborted(signal) {
  return signal?.reason ?? new DOMException("The request was aborted", "AbortError");
}

/** The protocol's failure for whatever was thrown in the worker; `lost` where the model is gone with it. */
export function failureOf(thrown) {
  if (thrown instanceof RefVlmError) {
    return { kind: thrown.kind, message: thrown.message, remedy: thrown.remedy };
  }
  // The engine throws its failures as JSON; what else comes out of it is its end.
  if (typeof thrown === "string") {
    try {
      return JSON.parse(thrown);
    } catch {
      // Not a failure of ours.
    }
  }
  const text = String(thrown?.message ?? thrown);
  // A panic is thrown with its text; a bare trap is how an allocation that failed ends.
  const memory =
    thrown instanceof RangeError ||
    (thrown instanceof WebAssembly.RuntimeError && /unreachable/.test(text)) ||
    /out of memory|allocation failed/i.test(text);
  return memory
    ? { kind: "out_of_memory", message: `Memory ran out (${text})`, remedy: "close other tabs, or use a smaller picture", lost: true }
    : { kind: "crashed", message: `The engine stopped: ${text}`, remedy: "load the model again", lost: true };
}
