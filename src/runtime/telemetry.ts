// Evaluated before ONNX Runtime, which reads this variable when it is loaded: no telemetry, unless the user has said
// otherwise. A browser has no variables and no telemetry.
if (typeof process !== 'undefined') process.env['ORT_DISABLE_TELEMETRY'] ??= '1';
