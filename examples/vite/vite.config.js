export default {
  base: './',
  build: { target: 'es2022' },
  // ONNX Runtime loads its WebAssembly from beside its own script
  optimizeDeps: { exclude: ['onnxruntime-web'] },
};
