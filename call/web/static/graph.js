// What the call costs over the last minute, in kbit/s, drawn against what H.264 would need for the same quality.

const SECONDS = 60;
const WIDTH = 320;
const HEIGHT = 132;
const TOPS = [25, 50, 100, 150, 200, 300, 400, 600, 1000, 1500, 2000, 4000];

const SVG = "http://www.w3.org/2000/svg";

export class CostGraph {
  constructor(svg) {
    this.points = [];
    this.scale = svg.parentElement.querySelector(".scale");
    this.area = add(svg, "path", "received-area");
    this.h264 = add(svg, "path", "h264-line");
    this.sent = add(svg, "path", "sent-line");
    this.received = add(svg, "path", "received-line");
  }

  /** Add the figures of one second. */
  push(figures) {
    this.points.push(figures);
    if (this.points.length > SECONDS) this.points.shift();
    const most = Math.max(
      ...this.points.flatMap((point) => [point.received_kbps ?? 0, point.sent_kbps ?? 0, point.h264_kbps ?? 0]),
    );
    const top = TOPS.find((candidate) => candidate >= 1.05 * most) ?? most * 1.05;
    this.scale.textContent = `${Math.round(top)} kbit/s`;
    this.draw(this.received, "received_kbps", top);
    this.draw(this.sent, "sent_kbps", top);
    this.draw(this.h264, "h264_kbps", top);
    const line = this.received.getAttribute("d");
    this.area.setAttribute("d", line && line.indexOf("M", 1) < 0 ? closed(line, this.firstX("received_kbps")) : "");
  }

  x(index) {
    return WIDTH - ((this.points.length - 1 - index) * WIDTH) / (SECONDS - 1);
  }

  firstX(name) {
    return this.x(this.points.findIndex((point) => point[name] !== null));
  }

  draw(path, name, top) {
    let drawing = "";
    let pen = "M";
    this.points.forEach((point, index) => {
      if (point[name] === null) {
        pen = "M";
        return;
      }
      const y = HEIGHT - (HEIGHT * point[name]) / top;
      drawing += `${pen}${this.x(index).toFixed(1)} ${y.toFixed(1)}`;
      pen = "L";
    });
    path.setAttribute("d", drawing);
  }
}

function closed(line, from) {
  return `${line}V${HEIGHT}H${from.toFixed(1)}Z`;
}

function add(svg, name, className) {
  const element = document.createElementNS(SVG, name);
  element.setAttribute("class", className);
  element.setAttribute("vector-effect", "non-scaling-stroke");
  svg.append(element);
  return element;
}
