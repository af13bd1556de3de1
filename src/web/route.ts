/** The views of the page: the digits of a run, live training, and a model of one's own. */
export type View = 'digits' | 'spar' | 'own';

/** The view that an address names: `#spar&eps=0.1`, `#own`; every other is of the digits. */
export const viewOf = (hash: string): View => {
  const [name] = hash.replace(/^#/, '').split('&', 1);
  return name === 'spar' || name === 'own' ? name : 'digits';
};
