// One stream of events for all tabs: browsers open only six connections to a server.
/** @type {Set<MessagePort>} */
const ports = new Set();
/** @type {EventSource | null} */
let source = null;
let address = "";
let types = /** @type {string[]} */ ([]);
let last = "";

/** @param {unknown} message */
function tell(message) {
  for (const port of ports) port.postMessage(message);
}

function open() {
  source?.close();
  source = new EventSource(last ? `${address}?after=${encodeURIComponent(last)}` : address);
  source.onopen = () => tell({ type: "open" });
  source.onerror = () => {
    tell({ type: "gap" });
    // A stream that was refused is not tried again by the browser itself.
    if (source?.readyState === EventSource.CLOSED) setTimeout(open, 3000);
  };
  for (const type of types) {
    source.addEventListener(type, (event) => {
      last = event.lastEventId || last;
      tell({ type, data: event.data ? JSON.parse(event.data) : null });
    });
  }
}

// @ts-ignore: the global scope of a shared worker
self.onconnect = (/** @type {MessageEvent} */ event) => {
  const port = event.ports[0];
  ports.add(port);
  port.onmessage = ({ data }) => {
    if (data.type === "leave") ports.delete(port);
    if (data.type !== "start") return;
    const isNew = address !== data.address;
    ({ address, types } = data);
    if (isNew || !source || source.readyState === 2) open();
    else if (source.readyState === 1) port.postMessage({ type: "open" });
  };
};
