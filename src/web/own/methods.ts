import type { MethodOptions } from '../../api/method.ts';
import { methods, shownAttacks, type Method } from '../attacks.ts';

/** An attack that takes nothing but a classifier: all of the page but the run's own attacker. */
export type OwnMethod = Exclude<Method, 'generator'>;

/** In the order of the page. */
export const ownMethods = methods.filter((method): method is OwnMethod => method !== 'generator');

/** An attack and its settings, as `attack` takes them. */
export const ownOptions = (method: OwnMethod): MethodOptions =>
  // the settings are those of this very attack
  ({ method, ...shownAttacks[method].settings }) as MethodOptions;
