(() => {
  "use strict";
  // A page that is not seen has no stream: browsers have few connections to a server.
  const element = document.currentScript, version = element.dataset.version, at = new URL("refresh", element.src);
  let source = null;
  const listen = () => {
    if (document.hidden) {
      source?.close();
      source = null;
    } else if (!source) {
      source = new EventSource(at);
      source.onmessage = (event) => {
        if (event.data !== version) {
          source.close();
          location.reload();
        }
      };
    }
  };
  document.addEventListener("visibilitychange", listen);
  listen();
})();
