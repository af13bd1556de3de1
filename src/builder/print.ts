import { constantNumbers, inputName, showType, topologicalOrder, type Graph, type Value } from './ir.ts';

/**
 * A graph as text, one node a line, for people and snapshots:
 *
 *     graph half (x: float32[2]) {
 *       %0 = Mul(x, 0.5) : float32[2]
 *       y = %0
 *     }
 */
export function print(graph: Graph): string {
  const names = new Map<Value, string>();
  const lines: string[] = [];
  for (const node of topologicalOrder(Object.values(graph.outputs))) {
    const inputs = node.inputs.map((x) => (x ? nameOf(x, names) : '_')).join(', ');
    const attrs = Object.entries(node.attrs).map(([key, value]) => `${key}=${showAttr(value)}`);
    node.outputs.forEach((y) => names.set(y, `%${names.size}`));
    const left = node.outputs.map((y) => names.get(y)!).join(', ');
    const types = node.outputs.map(showType).join(', ');
    lines.push(
      `  ${left} = ${node.op}(${inputs})${attrs.length > 0 ? ` {${attrs.join(', ')}}` : ''} : ${types}`,
    );
  }
  const inputs = graph.inputs.map((x) => `${inputName(x)}: ${showType(x)}`).join(', ');
  const outputs = Object.entries(graph.outputs).map(([name, y]) => `  ${name} = ${nameOf(y, names)}`);
  return [`graph ${graph.name} (${inputs}) {`, ...lines, ...outputs, '}', ''].join('\n');
}

function nameOf(value: Value, names: ReadonlyMap<Value, string>): string {
  if (value.source.kind === 'input') return value.source.name;
  if (value.source.kind === 'node') return names.get(value)!;
  if (value.source.name !== undefined) return value.source.name;
  const numbers = constantNumbers(value)!;
  const shown = numbers.slice(0, 8).map(String).join(', ');
  return value.shape.length === 0 ? shown : `[${shown}${numbers.length > 8 ? ', ...' : ''}]`;
}

function showAttr(value: unknown): string {
  if (Array.isArray(value)) return `[${value.join(',')}]`;
  return typeof value === 'object' ? `graph ${(value as Graph).name}` : `${value as string | number}`;
}
