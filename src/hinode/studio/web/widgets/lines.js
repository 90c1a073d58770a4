// A text that is edited by lines: to the line that something is about.

/** Select the line of a fault. @param {HTMLTextAreaElement | null} area @param {{ line: number | null }} fault */
export function goTo(area, fault) {
  if (!area || !fault.line) return area?.focus();
  const lines = area.value.split("\n");
  const start = lines.slice(0, fault.line - 1).reduce((sum, line) => sum + line.length + 1, 0);
  area.focus();
  area.setSelectionRange(start, start + (lines[fault.line - 1]?.length ?? 0));
  area.scrollTop = Math.max(0, (area.scrollHeight / lines.length) * (fault.line - 4));
}
