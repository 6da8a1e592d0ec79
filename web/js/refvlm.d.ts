/**
 * REF-VLM for a web page. Coordinates are px of the picture that is set: x to the right, y down,
 * the pixel in column c covers c..c+1. Times are seconds unless a name says otherwise.
 */

/** What every promise is rejected with; aborts reject with the signal's reason instead. */
export class RefVlmError extends Error {
  kind: FailureKind;
  /** What a person can do about it, in one sentence. */
  remedy: string;
}

export type FailureKind =
  | "offline" | "not_found" | "server" | "hash_mismatch" | "truncated" | "bad_package"
  | "no_simd" | "no_webgpu" | "device_lost" | "out_of_memory"
  | "bad_picture" | "bad_request" | "no_picture" | "not_loaded" | "crashed" | "engine";

export interface LoadOptions {
  /** Called at most every 100 ms, and at the end of each phase. */
  onProgress?: (progress: Progress) => void;
  /** Where to compute; "webgpu" fails where that is not possible. Default "auto". */
  backend?: "auto" | "cpu" | "webgpu";
  signal?: AbortSignal;
}

export interface Progress {
  phase: "download" | "verify" | "build";
  bytes: number;
  total: number;
  /** Estimated seconds until the last byte; null while there is nothing to estimate from. */
  eta_s: number | null;
}

export interface Ready {
  preset: string;
  quantisation: "f32" | "f16" | "bf16" | "q8" | "q4";
  parameters: number;
  package_bytes: number;
  backend: "cpu" | "webgpu";
  /** The graphics card's name, where one computes. */
  adapter: string | null;
  /** True when every shard came from the browser's cache. */
  cached: boolean;
  version: string;
}

export class RefVlm {
  /**
   * Loads a package by the address of its folder. Interrupted downloads resume; every shard is
   * checked by its hash and kept in the browser's cache.
   */
  static load(url: string | URL, options?: LoadOptions): Promise<RefVlm>;

  /** What was loaded; null after `unload`. */
  readonly info: Ready | null;

  /**
   * Sets the picture that questions are about. Pictures of more than `maxPixels` (default 4194304)
   * are scaled down; the size that is returned is the one that coordinates refer to.
   */
  setImage(
    source: Blob | ImageBitmap | ImageData | HTMLImageElement | HTMLCanvasElement | OffscreenCanvas | HTMLVideoElement,
    options?: { maxPixels?: number },
  ): Promise<{ width: number; height: number; seconds: number }>;

  /**
   * Asks about the picture. The last event is `done`. Leaving the loop early aborts the answer, as
   * does the signal. Questions are answered one after the other.
   */
  ask(question: Question): AsyncGenerator<AnswerEvent, void, undefined>;

  /** Draws a scene that no training has seen; sets no picture. */
  generate(seed: number, options?: { side?: number }): Promise<Scene>;

  /** Ends the worker and frees its memory. Files stay in the cache. */
  unload(): Promise<void>;
}

export type Task =
  | "vqa" | "detection" | "segmentation" | "grounding_detection" | "grounding_segmentation"
  | "gcg_detection" | "gcg_segmentation" | "keypoint_detection" | "grounding_keypoints"
  | "depth" | "mixed";

export interface Question {
  /** What kind of answer is wanted. Default "vqa": words. */
  task?: Task;
  /** The words, with `[prompt 1]` where the first prompt stands; others are put behind them. */
  text?: string;
  prompts?: Prompt[];
  /** Default: the best token each time. */
  sampling?: { temperature?: number; top_k?: number; top_p?: number; seed?: number };
  /** Most tokens of the answer. Default 192. */
  budget?: number;
  /** Whether only answers that parse can be written. Default true. */
  constrained?: boolean;
  /**
   * Whether what is pointed at may be looked at once more, larger, where the model does so: better
   * masks and names, for the time that a picture takes. Default true.
   */
  closer?: boolean;
  signal?: AbortSignal;
}

export type Prompt =
  | { kind: "point"; x: number; y: number }
  | { kind: "box"; x: number; y: number; w: number; h: number }
  | { kind: "scribble"; points: [number, number][] }
  | { kind: "mask"; mask: Rle };

/** COCO run lengths, columns first, beginning with zeros; or COCO's compressed string. */
export interface Rle {
  /** [height, width] */
  size: [number, number];
  counts: number[] | string;
}

export type Unit = "box" | "mask" | "keypoint" | "depth";

/** `[x, y, width, height]` */
export type Box = [number, number, number, number];

export type AnswerEvent =
  | { event: "status"; stage: "reading" | "writing" }
  | { event: "token"; id: number; text: string; forced: boolean }
  | { event: "triplet"; triplet: number; concept: string; unit: Unit; count: number }
  | ({ event: "unit"; triplet: number; index: number; confidence: number } & Shape)
  | { event: "done"; timings: Timings; reason: "end" | "length" };

export type Shape =
  | { unit: "box"; box: Box }
  /** `others`: what else a click or a scribble may mean, the most confident first; absent where nothing. */
  | { unit: "mask"; mask: Rle; box: Box; others?: { confidence: number; mask: Rle; box: Box }[] }
  /** 17 rows `[x, y, presence]` in COCO's order, presence 0..1. */
  | { unit: "keypoint"; box: Box; keypoints: [number, number, number][] }
  /** A map over the whole picture, coarser than it; row-major. */
  | { unit: "depth"; width: number; height: number; metres: number[] };

export interface Timings {
  picture_s: number;
  first_token_s: number;
  total_s: number;
  /** Rows of the question that had to be read. */
  read_tokens: number;
  tokens: number;
  forced_tokens: number;
}

export interface Scene {
  seed: number;
  width: number;
  height: number;
  image: ImageData;
  /** Metres, row-major. */
  depth: Float32Array;
  record: SceneRecord;
}

/** The truth about a scene: its things, and questions with their right answers. */
export interface SceneRecord {
  id: string;
  targets: { box?: Box; mask?: Rle; keypoints?: [number, number, number][] }[];
  prompts?: Prompt[];
  turns: {
    task: Task;
    question: (string | { prompt: number })[];
    answer: (string | { concept: string; unit: Unit; targets: number[] })[];
  }[];
}
