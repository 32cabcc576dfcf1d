/** The report's style sheet: light, dark, for phones and for print. */
export const STYLE = `
:root{color-scheme:light dark;--ink:light-dark(#1b2330,#e6e9ef);--dim:light-dark(#5a6473,#9aa4b2);--page:light-dark(#f6f7f9,#101419);--card:light-dark(#fff,#181d24);--line:light-dark(#dde2e8,#2a313b);--heat:light-dark(#c44e00,#ff9d57);--cell:light-dark(#c44e00,#a8500c)}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:1180px;margin:auto;padding:32px 24px 48px}
h1{font-size:26px;line-height:1.25;margin:0 0 10px;letter-spacing:-.01em;overflow-wrap:anywhere}
h2{font-size:16px;margin:0 0 10px}
dl{display:flex;flex-wrap:wrap;gap:2px 22px;margin:0;font-size:13px}
dl div{display:flex;gap:7px;min-width:0}dt{color:var(--dim)}dd{margin:0;overflow-wrap:anywhere}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:14px;margin-top:22px}
section,.figures div{background:var(--card);border:1px solid var(--line);border-radius:10px}
.figures div{padding:12px 16px}
.figures b{display:block;font-size:24px;line-height:1.25;font-weight:650;font-variant-numeric:tabular-nums}
.figures span,.note,footer,.axis,.scale{color:var(--dim);font-size:13px}
section{margin-top:14px;padding:18px 20px;min-width:0}
.note{margin:-4px 0 12px}footer{margin-top:22px;max-width:75ch}
.legend{overflow-wrap:anywhere;display:flex;flex-wrap:wrap;gap:4px 20px;margin:0 0 14px;padding:0;list-style:none;font-size:14px}
.legend b{margin-left:7px;font-weight:600}.legend span{margin-left:7px;color:var(--dim);font-size:13px}
.legend b,.legend span{white-space:nowrap}.legend b,.legend span,td{font-variant-numeric:tabular-nums}.legend .none,.none b{color:var(--dim)}.none b{font-weight:400}.none i{opacity:.5}
i{display:inline-block;width:10px;height:10px;border-radius:3px;margin-right:7px;forced-color-adjust:none}
.chart{display:grid;grid-template-columns:var(--names) minmax(0,1fr);gap:6px 10px;align-items:center}
.plot{display:block;width:100%;height:15px;border-radius:3px}
.tall{height:170px;background:color-mix(in srgb,var(--line) 45%,transparent)}
.lane{fill:var(--line)}.tip{fill:transparent}.tip:hover{fill:color-mix(in srgb,var(--ink) 18%,transparent)}
.scale{align-self:stretch;display:flex;flex-direction:column;justify-content:space-between;text-align:right;line-height:1}
.name{display:flex;justify-content:flex-end;gap:5px;font-size:13px;white-space:nowrap;font-variant-numeric:tabular-nums}
.name span{overflow:hidden;text-overflow:ellipsis}
.axis{grid-column:2;position:relative;height:22px;border-top:1px solid var(--line);font-variant-numeric:tabular-nums}
.axis span{position:absolute;top:3px;transform:translateX(-50%);white-space:nowrap;font-size:12px}
.axis span::before{content:"";position:absolute;left:50%;top:-4px;height:4px;border-left:1px solid var(--dim)}
.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,460px),1fr));gap:0 14px}
.scroll{overflow-x:auto}
table{border-collapse:collapse;font-size:14px}
td,th{padding:4px 12px 4px 0;text-align:left;font-weight:400;white-space:nowrap}
thead th{color:var(--dim);font-size:13px}
.events{min-width:min(100%,620px)}.events td{border-top:1px solid var(--line)}.number.number{text-align:right;padding-right:0}.dim{color:var(--dim)}
.matrix{width:100%;font-size:13px}.matrix td{text-align:center;padding:7px 4px;min-width:40px;border:2px solid var(--card);border-radius:6px;background:color-mix(in srgb,var(--cell) var(--part,0%),color-mix(in srgb,var(--line) 35%,transparent))}
.matrix th{white-space:normal;max-width:11em;overflow-wrap:break-word}.matrix thead th{text-align:center;padding:0 2px 4px;font-size:12px;vertical-align:bottom}.matrix .same{background:none}
.many thead span{writing-mode:vertical-rl;transform:rotate(180deg);white-space:nowrap}.many td{min-width:0;padding:7px 2px}
.maps{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,210px),1fr));gap:16px}
figure{margin:0;max-width:520px}figcaption{font-size:13px;color:var(--dim);margin-top:6px;overflow-wrap:anywhere}figcaption b{color:var(--ink);font-weight:600;margin-right:4px}
.map{display:block;width:100%;border:1px solid var(--line);border-radius:6px;background:color-mix(in srgb,var(--line) 30%,transparent)}.map path{fill:var(--heat)}
@media (max-width:600px){main{padding:20px 12px 32px}section{padding:14px 12px}.figures{grid-template-columns:1fr 1fr;gap:8px}.figures b{font-size:20px}.axis .odd{display:none}.events :is(td,th){padding-right:8px}.chart{grid-template-columns:min(var(--names),5.5rem) minmax(0,1fr)}.matrix thead span{writing-mode:vertical-rl;transform:rotate(180deg);white-space:nowrap}.matrix td{min-width:0;padding:7px 2px}.tall{height:130px}}
@media print{:root{color-scheme:light;--page:#fff}body{font-size:12px}main{padding:0;max-width:none}section{break-inside:avoid-page;border-color:#ccc}section:has(.events){break-inside:auto}h2{break-after:avoid}figure,tr{break-inside:avoid}thead{display:table-header-group}*{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
`;
