/** Style of the reports: light, dark and for print. */
export const STYLE = `
:root{color-scheme:light dark;--ink:light-dark(#1b2330,#e6e9ef);--dim:light-dark(#5c6675,#9aa4b2);--page:light-dark(#fff,#14181f);--line:light-dark(#dfe3e9,#2b323d);--right:light-dark(#2f8f6b,#2a7f5f);--wrong:light-dark(#d2603a,#b5502c)}
body{margin:0;background:var(--page);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
main{max-width:1160px;margin:auto;padding:24px}
h1{font-size:26px;margin:0}h2{font-size:18px;margin:32px 0 10px}
.note{color:var(--dim);margin:4px 0 18px}
.figures{display:flex;flex-wrap:wrap;gap:10px}
.figures div{border:1px solid var(--line);border-radius:8px;padding:10px 16px}
.figures b{display:block;font-size:22px;font-variant-numeric:tabular-nums}.figures span{color:var(--dim);font-size:13px}
.scroll{overflow-x:auto}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}
td,th{padding:4px 10px;text-align:right;border-bottom:1px solid var(--line);font-weight:400;white-space:nowrap}
tbody th,thead th:first-child,caption{text-align:left}thead th,caption{color:var(--dim);font-size:13px}
caption{padding-bottom:6px}
.pair{display:flex;flex-wrap:wrap;align-items:end;gap:28px}.pair>*{min-width:0;max-width:100%}
.matrix td{min-width:34px;text-align:center;padding:7px 4px;border:1px solid var(--page)}
.matrix .right{background:color-mix(in srgb,var(--right) var(--shade),transparent)}
.matrix .wrong{background:color-mix(in srgb,var(--wrong) var(--shade),transparent)}
.matrix .down{text-align:center;padding:4px}
.faces{display:grid;grid-template-columns:repeat(auto-fill,minmax(100px,1fr));gap:14px}
figure{margin:0}img{width:100%;image-rendering:pixelated;border-radius:4px;display:block}
figcaption{font-size:12px;line-height:1.3;color:var(--dim);margin-top:4px}figcaption b{color:var(--ink);font-weight:600}
.plot{width:520px;max-width:100%}svg{width:100%}svg text{fill:var(--dim);font-size:12px}svg .title{fill:var(--ink);font-size:13px}
path,polyline{fill:none;stroke:var(--line)}polyline{stroke-width:2}
.legend{display:flex;flex-wrap:wrap;gap:2px 14px;padding-left:48px;font-size:12px;color:var(--dim)}.legend i{display:inline-block;width:18px;height:3px;vertical-align:middle;margin-right:5px;forced-color-adjust:none}
.best td,.best th{font-weight:600}.study,.best .study{color:var(--dim);font-weight:400}tbody .study{background:color-mix(in srgb,var(--line) 35%,transparent)}
@media print{:root{color-scheme:light}body{font-size:12px}main{padding:0;max-width:none}h2{break-after:avoid}.figures div,figure,tr{break-inside:avoid}thead{display:table-header-group}*{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
`;
