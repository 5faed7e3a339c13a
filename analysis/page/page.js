// Sorts a table by the column whose header is pressed; cells without data stay at the end.
function key(cell) {
  if (cell.querySelector(".missing")) return null;
  const text = cell.textContent.trim();
  const number = parseFloat(text.replace(/,/g, "").replace(/^[<≥$]/, ""));
  return cell.classList.contains("n") && !Number.isNaN(number) ? number : text.toLowerCase();
}

function compare(a, b) {
  if (a === null || b === null) return (a === null) - (b === null);
  return typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true });
}

function sortBy(header) {
  const body = header.closest("table").tBodies[0];
  const column = [...header.parentNode.children].indexOf(header);
  const down = header.getAttribute("aria-sort") === "ascending";
  for (const other of header.parentNode.children) other.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", down ? "descending" : "ascending");
  const rows = [...body.rows].map((row) => [key(row.cells[column]), row]);
  rows.sort(([a], [b]) => (a === null || b === null || !down ? compare(a, b) : compare(b, a)));
  body.append(...rows.map(([, row]) => row));
}

for (const header of document.querySelectorAll("thead th")) {
  const button = document.createElement("button");
  button.append(...header.childNodes);
  button.addEventListener("click", () => sortBy(header));
  header.append(button);
}

// A link into folded details opens them.
function openTarget() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  for (let node = target; node; node = node.parentElement) if (node.tagName === "DETAILS") node.open = true;
  if (target) target.scrollIntoView();
}
addEventListener("hashchange", openTarget);
openTarget();
