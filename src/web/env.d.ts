/** The bundled test digits: made by vite.config.ts. */
declare module 'virtual:digits' {
  /** Where each stands in MNIST's test set. */
  export const indices: readonly number[];
  /** Its class, 0 to 9. */
  export const labels: readonly number[];
  /** 784 bytes each, row by row, in base64. */
  export const pixels: string;
}
