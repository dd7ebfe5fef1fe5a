(function(){
var root=document.documentElement;root.classList.add("on");
function each(list,f){Array.prototype.forEach.call(list,f)}
var list=document.querySelector(".details"),search=document.getElementById("search"),entries=list?[].slice.call(list.children):[],texts=[];
function make(name,text,press){var b=document.createElement("button");b.type="button";b.textContent=text;b.className=name;b.addEventListener("click",press);return b}
function text(e,i){return texts[i]=texts[i]||e.textContent.toLowerCase()}
function filter(){
var words=search.value.toLowerCase().split(/\s+/),found=0;
function match(t){return words.every(function(w){return t.indexOf(w)>=0})}
each(entries,function(e,i){
var yes=match(text(e,i));e.classList.toggle("hid",!yes);if(yes&&e.offsetParent)found++});
each(document.querySelectorAll("main>.more"),function(e){e.classList.toggle("hid",!match(e.textContent.toLowerCase()))});
document.querySelector(".none").hidden=found>0;group()}
if(search){search.addEventListener("input",filter);
each(document.querySelectorAll("[name=show]"),function(r){r.addEventListener("change",filter)})}
function fold(open){return function(){each(entries,function(e){if(e.offsetParent)e.open=open})}}
if(list){document.getElementById("expand").addEventListener("click",fold(true));
document.getElementById("collapse").addEventListener("click",fold(false))}
var key="";
function cell(e,name){
var c=e.querySelector("."+name);if(!c)return null;
if(name=="file"||name=="what")return (name=="what"?c.querySelector("bdi"):c).textContent;
var n=/-?\+?[\d.:,]+/.exec(c.textContent.replace(/NEG|VMAF/,""));
return n?n[0].replace(/[+,]/g,"").split(":").reduce(function(a,b){return a*60+ +b},0):null}
function group(){
each(list.querySelectorAll(".group"),function(g){g.remove()});
if(key!="file")return;
var last;
each(list.querySelectorAll(":scope>details:not(.hid)"),function(e){
var f=cell(e,"file");
if(e.offsetParent&&f!=last){var h=document.createElement("h3");h.className="group";h.textContent=last=f;list.insertBefore(h,e)}})}
function sort(button,name){
var back=key==name&&button.dataset.back!="1";
each(document.querySelectorAll(".heads button"),function(b){b.setAttribute("aria-pressed",b==button);b.dataset.back=""});
button.dataset.back=back?"1":"";key=name;
var keys=new Map();each(entries,function(e){keys.set(e,cell(e,name))});
entries.slice().sort(function(x,y){
var a=keys.get(x),b=keys.get(y);
if(a==null||b==null)return (a==null)-(b==null);
var d=typeof a=="string"?(a<b?-1:+(a>b)):a-b;return back?-d:d}).forEach(function(e){list.appendChild(e)});
group()}
each(document.querySelectorAll(".heads .what>span,.heads>[class^=c]:not(.c5)"),function(head){
var name=head.parentNode.className=="what"?(head.textContent=="file"?"file":"what"):head.className;
var b=make("",head.textContent,function(){sort(b,name)});
b.setAttribute("aria-label","sort by "+head.textContent);b.setAttribute("aria-pressed",false);
head.textContent="";head.appendChild(b)});
function copy(code){
var b=make("copy","copy",function(){
function done(){b.textContent="copied";setTimeout(function(){b.textContent="copy"},1500)}
function old(){var r=document.createRange(),s=getSelection();r.selectNodeContents(code);s.removeAllRanges();s.addRange(r);if(document.execCommand("copy"))done()}
if(navigator.clipboard)navigator.clipboard.writeText(code.textContent).then(done,old);else old()});
code.before(b)}
function copies(root){each(root.querySelectorAll(".command"),function(c){if(!c.copied){c.copied=1;copy(c)}})}
addEventListener("toggle",function(e){if(e.target.open)copies(e.target)},true);
each(document.querySelectorAll("details[open]"),copies);
function reveal(){
var target=document.getElementById(location.hash.slice(1));
if(target&&target.parentNode.tagName=="DETAILS"){target.parentNode.open=true;target.scrollIntoView()}}
addEventListener("hashchange",reveal);reveal();
each(document.querySelectorAll(".divider input"),function(input){
function move(){input.closest(".views").querySelector(".frames").style.setProperty("--x",input.value+"%")}
input.addEventListener("input",move);move()});
function values(path,top,unit){
var n=path.getAttribute("d").split("h9")[1].slice(1).match(/-?\d+/g)||[];
var y=+path.getAttribute("d").match(/M-9 (-?\d+)/)[1],all=[top-y/unit];
for(var i=1;i<n.length;i+=2){y+=+n[i];all.push(top-y/unit)}
return all}
function clock(s){
var t=Math.round(s*1000),h=Math.floor(t/36e5),m=Math.floor(t/6e4)%60,r=(t%6e4/1000).toFixed(3);
return(h?h+":"+(m<10?"0":""):"")+m+":"+(r<10?"0":"")+r}
each(document.querySelectorAll(".heat"),function(box){
var d=box.dataset,slider=box.querySelector("[type=range]"),radios=box.querySelectorAll("[type=radio]"),maps=box.querySelector(".maps"),live,all,cells;
if(!slider)return;
function frame(){all=all||JSON.parse(d.frames);return all[slider.value]}
function digits(v,n){return(v/Math.pow(10,n)).toFixed(n)}
function value(v){return v==null?"not scored":d.metric+" "+digits(v,+d.decimals+1)}
function describe(f){
var v=f.slice(2),low=v.reduce(function(a,b){return b==null?a:a==null?b:Math.min(a,b)},null),at=v.indexOf(low),n=live.querySelector("tr").cells.length;
return "frame "+f[0]+(f[1]==null?"":" ("+clock(f[1])+")")+": "+(low==null?"no tile was scored":"lowest "+value(low)+" in column "+at%n+", row "+Math.floor(at/n))}
function prepare(){
live=box.querySelector(".map").cloneNode(true);live.className="map live";
live.querySelector(".tiles").className="tiles";
each(live.querySelectorAll("img"),function(i){i.remove()});
cells=live.querySelectorAll("td");maps.appendChild(live)}
function show(){
if(!live)prepare();
var f=frame(),words=describe(f),known=false;
each(radios,function(r){r.checked=r.value==slider.value;known=known||r.checked});
live.hidden=known;slider.setAttribute("aria-valuetext",words);
if(known)return;
live.querySelector("figcaption").textContent=words;
live.querySelector("table").setAttribute("aria-label",d.metric+" of each tile, "+words.split(":")[0]);
each(cells,function(c,i){
var v=f[i+2],h=v==null?"n":Math.min(20,Math.max(0,Math.floor((v-d.low)/(d.high-d.low)*20+.5)));
c.className="h"+h;c.removeAttribute("title");
if(c.textContent)c.textContent=v==null?"\u2013":digits(Math.floor((v+5)/10),+d.decimals)})}
slider.addEventListener("input",show);
each(radios,function(r){r.addEventListener("change",function(){slider.value=r.value;show()})});
maps.addEventListener("pointerover",function(e){
var c=e.target,r=c.parentNode;
if(c.tagName=="TD")c.title="column "+c.cellIndex+", row "+r.rowIndex+": "+value(frame()[r.rowIndex*r.cells.length+c.cellIndex+2])})});
function prepare(chart){
var plot=chart.querySelector("svg"),top=+chart.dataset.top,size=+chart.dataset.size,unit=+chart.dataset.unit,digits=Math.round(Math.log10(unit)),lines=[];
each(plot.querySelectorAll(".vmaf,.neg,.other"),function(p){lines.push([p.getAttribute("class"),values(p,top,unit)])});
var box=plot.getAttribute("viewBox").split(" ").map(Number),full=box[2],at=-1;
var cursor=document.createElementNS("http://www.w3.org/2000/svg","path"),out=chart.nextElementSibling;
cursor.setAttribute("class","cursor");plot.appendChild(cursor);
var rate=(chart.dataset.rate||"").split("/"),fps=rate[0]/(rate[1]||1);
var first=chart.lastElementChild.previousElementSibling,end=chart.lastElementChild;
var frames=+/\d+/.exec(end.textContent)[0],last=Math.min(lines[0][1].length-1,Math.floor(frames/size));
function name(i,stop){var f=Math.min(frames,Math.max(0,Math.round(i))*size+(stop?size-1:0));return "frame "+f+(fps?" ("+clock(f/fps)+")":"")}
function show(i){
at=Math.max(0,Math.min(last,i));
cursor.setAttribute("d","M"+at+" -99V9999");
var text=name(at);if(size>1)text+=" to "+name(at,1);
each(lines,function(l){if(size==1||l[0]!="vmaf")text+=", "+({vmaf:"default",neg:"NEG",other:"value"})[l[0]]+" "+l[1][at].toFixed(digits)});
if(lines.length>1)text+=(size>1?", gap up to ":", gap ")+(lines[0][1][at]-lines[1][1][at]).toFixed(1);
out.textContent=text}
function zoom(factor){
var middle=at<0?box[0]+box[2]/2:at,width=Math.min(full,Math.max(Math.min(8,full),box[2]*factor));
box[0]=Math.max(0,Math.min(full-width,middle-width/2));box[2]=width;view()}
function view(){
plot.setAttribute("viewBox",box.join(" "));
first.textContent=name(box[0]);end.textContent=name(box[0]+box[2],1)}
function under(e){var r=chart.getBoundingClientRect();
return Math.round(box[0]+((e.clientX-r.left)/r.width*960-40)/912*box[2])}
chart.setAttribute("tabindex","0");chart.setAttribute("aria-keyshortcuts","ArrowLeft ArrowRight + - 0");
chart.addEventListener("pointermove",function(e){show(under(e))});
chart.addEventListener("dblclick",function(e){at=under(e);zoom(.5)});
chart.addEventListener("keydown",function(e){
var keys={ArrowLeft:function(){show(at-1)},ArrowRight:function(){show(at+1)},"+":function(){zoom(.5)},"-":function(){zoom(2)},"0":function(){box=[0,box[1],full,box[3]];view()}};
if(keys[e.key]&&!e.ctrlKey&&!e.metaKey){keys[e.key]();e.preventDefault()
if(at>=0&&(at<box[0]||at>box[0]+box[2])){box[0]=Math.max(0,Math.min(full-box[2],at-box[2]/2));view()}}})}
var sizes=new ResizeObserver(function(entries){each(entries,function(s){var t=s.target;
if(t.scrollWidth>t.clientWidth||t.scrollHeight>t.clientHeight)t.tabIndex=0;else t.removeAttribute("tabindex")})});
each(document.querySelectorAll("figure,.cols,.message"),function(part){sizes.observe(part)});
var watch=new IntersectionObserver(function(entries){each(entries,function(s){
if(s.isIntersecting){watch.unobserve(s.target);prepare(s.target)}})});
each(document.querySelectorAll(".series.chart"),function(chart){chart.after(document.createElement("output"));watch.observe(chart)})
})();
