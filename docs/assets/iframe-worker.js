/* Runs the search's worker in a hidden frame: browsers start no workers on pages opened from a file. */
(() => {
  "use strict";
  if (location.protocol !== "file:") return;

  class FrameWorker extends EventTarget {
    constructor(address) {
      super();
      this.waiting = [];
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      document.body.append(this.frame);
      window.addEventListener("message", (event) => {
        if (event.source !== this.frame.contentWindow) return;
        const copy = new MessageEvent("message", { data: event.data });
        this.dispatchEvent(copy);
        if (this.onmessage) this.onmessage(copy);
      });
      const inside = this.frame.contentDocument;
      const script = inside.createElement("script");
      script.textContent = `
        postMessage = parent.postMessage.bind(parent);
        importScripts = (...names) => names.reduce((last, name) => last.then(() => new Promise((done) => {
          const one = document.createElement("script");
          one.src = name;
          one.onload = done;
          document.body.append(one);
        })), Promise.resolve());`;
      inside.body.append(script);
      const worker = inside.createElement("script");
      worker.src = address;
      worker.onload = () => {
        const waiting = this.waiting;
        this.waiting = null;
        waiting.forEach((data) => this.postMessage(data));
      };
      inside.body.append(worker);
    }

    postMessage(data) {
      if (this.waiting) this.waiting.push(data);
      else this.frame.contentWindow.dispatchEvent(new MessageEvent("message", { data, source: parent }));
    }

    terminate() {
      this.frame.remove();
    }
  }

  window.Worker = FrameWorker;
})();
