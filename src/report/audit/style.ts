import { styleSheet } from '../kit/style.ts';

/** The style sheet of an audit's page: that of all reports, and what only an audit shows. */
export const auditStyle = `${styleSheet}
h1{overflow-wrap:anywhere}
.badge{display:inline-block;border:2px solid;border-radius:2rem;padding:.05rem .8rem;font-weight:700;font-size:.95rem}
.badge.met{border-color:var(--green)}
.badge.unmet{border-color:var(--orange)}
.demands{list-style:none;padding:0;margin:.75rem 0}
.demands li{margin:.25rem 0}
.demands .mark{display:inline-block;width:1.4rem;font-weight:700}
.demands .met .mark{color:var(--green)}
.demands .unmet .mark{color:var(--orange)}
.headline{max-width:60rem;overflow-wrap:anywhere;margin:1rem 0}
.check p{margin:.2rem 0;max-width:56rem}
.check+.check{border-top:1px solid var(--rule);margin-top:.75rem;padding-top:.75rem}
.warnings{max-width:none;padding:.75rem 1.25rem}
.warnings .headline{font-size:1.5rem;margin:.25rem 0 .75rem}
.note{border-left:4px solid var(--rule);padding-left:1rem;margin:1rem 0}
.passed{columns:16rem;list-style:none;padding:0;max-width:none}
.outcome{margin:1.75rem 0}
.whole{display:flex;gap:2px;height:2.25rem;border-radius:6px;overflow:hidden}
.whole span{min-width:3px}
.left{background:var(--blue)}
.unclear{background:repeating-linear-gradient(135deg,var(--muted) 0 2px,transparent 2px 7px),var(--raised)}
.fooled.key,.whole .fooled{background:var(--orange)}
.wrong{background:var(--rule)}
.key{flex:none;width:.8rem;height:.8rem;border-radius:3px;margin-right:.5rem}
.outcome dl{display:flex;flex-wrap:wrap;gap:.5rem 3rem;max-width:none}
.outcome dt{color:var(--ink);display:flex;align-items:baseline}
.outcome dd{padding-left:1.3rem}
.outcome dd strong{font-size:1.35rem;font-variant-numeric:tabular-nums}
.broken{list-style:none;padding:0;max-width:none;display:grid;gap:1.25rem;grid-template-columns:repeat(auto-fill,minmax(min(100%,19.5rem),1fr))}
.broken li{border:1px solid var(--rule);border-radius:10px;padding:.75rem .9rem;min-width:0}
.broken p{overflow-wrap:anywhere}
.turn{margin:0 0 .5rem;line-height:1.3}
.turn strong{text-decoration:underline var(--orange) 2px;text-underline-offset:3px}
.arrow{color:var(--muted)}
.three{display:grid;grid-template-columns:repeat(3,minmax(0,1fr));gap:.6rem}
.three img{display:block;width:100%;height:auto;border-radius:4px;outline:1px solid var(--rule)}
.broken.small{grid-template-columns:repeat(auto-fill,minmax(min(100%,16rem),1fr))}
.small img{image-rendering:pixelated}
.three figcaption{font-size:.8rem;padding-top:.25rem;overflow-wrap:anywhere}
.broken .muted{font-size:.8rem;margin:.4rem 0 0}
.numbers tbody th,.bars tbody th{white-space:normal;overflow-wrap:break-word;min-width:6rem;max-width:22rem;line-height:1.35}
.bars tbody .interval{font-weight:400}
.bars td{text-align:right}
.bar.before{--fill:var(--muted)}
.bar.after{--fill:var(--blue)}
.bars .interval{font-size:.72rem}
.bars .gap{text-align:left;color:var(--muted)}
.flag{white-space:nowrap;overflow-wrap:normal}
.curve{max-width:38rem}
.scroll[aria-label="Accuracy under each attack"] tr:last-child>*{font-weight:700}
pre{background:var(--raised);border:1px solid var(--rule);border-radius:8px;padding:.75rem 1rem;overflow-x:auto;white-space:pre-wrap}
dd{overflow-wrap:anywhere}
@media (max-width:40rem){
.outcome dl{flex-direction:column}
.warnings .headline{font-size:1.2rem}
.outcome dd{margin-bottom:.25rem}
.bars .bar{min-width:5.5rem;padding-left:2.2rem;background-size:calc(var(--part)*1.7rem) .8rem}
.bars .interval{font-size:.66rem}
.bars th,.bars td{padding-left:.4rem;padding-right:.4rem}
.bars thead th{white-space:normal}
.bars tbody th{min-width:5rem}
}
@media (max-width:22rem){
.bars .bar{min-width:4.6rem;white-space:normal}
.bars th,.bars td{padding-left:.25rem;padding-right:.25rem}
.bars tbody th{min-width:0}
}
`;
