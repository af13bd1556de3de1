import { createHash } from 'node:crypto';
import { lower, type Program, type Target } from '../src/builder/index.ts';
import { encodeProgram, opset } from '../src/onnx/index.ts';
import { committedPrograms } from '../src/models/programs.ts';

/** A program as the bytes of an ONNX file, in the forms of `target`. */
export const emit = ({ graph, metadata }: Program, target: Target): Uint8Array =>
  encodeProgram({ graph: lower(graph, target), metadata });

/**
 * What `graphs/` holds: each of {@link committedPrograms} in plain ONNX, and a manifest of them. Equal sources give
 * equal bytes, on every machine.
 *
 * @returns file name -> bytes.
 */
export function emitGraphs(): ReadonlyMap<string, Uint8Array> {
  const programs = Object.entries(committedPrograms());
  const files = programs.map(([name, program]) => ({
    file: `${name}.onnx`,
    bytes: emit(program, 'plain'),
    metadata: program.metadata,
  }));
  const manifest = {
    schema: 1,
    graphs: files.map(({ file, bytes, metadata }) => ({
      file,
      name: metadata.name,
      kind: metadata.kind,
      sha256: createHash('sha256').update(bytes).digest('hex'),
      bytes: bytes.length,
      opset,
      data: metadata.data.length,
      state: metadata.state.length,
      frozen: metadata.frozen.length,
      metrics: metadata.metrics.length,
      options: metadata.options,
    })),
  };
  return new Map([
    ...files.map(({ file, bytes }) => [file, bytes] as const),
    ['manifest.json', new TextEncoder().encode(`${JSON.stringify(manifest, null, 2)}\n`)],
  ]);
}
