/** Bytes of ONNX Runtime's programs, by backend: set by vite.config.ts. */
declare const WASM_BYTES: { readonly wasm: number; readonly webgpu: number };

/** The address of a file of a package. */
declare module '*.wasm?url' {
  export const url: string;
  // Vite gives nothing else
  export { url as default };
}

/** The address of a worker. */
declare module '*?worker&url' {
  export const url: string;
  export { url as default };
}

/** A style sheet that comes with the code that imports it. */
declare module '*.css';

/** The names of the files under `assets/`, apart by spaces: only in the service worker, and only in a build. */
declare const ASSETS: string;
