export { Fragment, h, render } from "preact";
export { useCallback, useEffect, useId, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
export { batch, computed, effect, signal, useComputed, useSignal, useSignalEffect } from "@preact/signals";
export type { Signal } from "@preact/signals";
export const htm: { bind(h: Function): (strings: TemplateStringsArray, ...values: any[]) => any };
