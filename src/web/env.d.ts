/** Bytes of ONNX Runtime's programs, by backend: set by vite.config.ts. */
declare const WASM_BYTES: { readonly wasm: number; readonly webgpu: number };

/** The address of a file of a package. */
declare module '*.wasm?url' {
  export const url: string;
  // Vite gives nothing else
  export { url as default };
}

/** A style sheet that comes with the code that imports it. */
declare module '*.css';
