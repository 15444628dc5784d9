"""The closed table of diagnostic codes.

    P1xx  reading the files      P2xx  rules            P3xx  the catalog as a whole
    P4xx  the lowered policy     P5xx  projections

A code keeps its meaning for ever; a code that is no longer given is not used
again.  `cause` says why the compiler minds, `help` what to do; a diagnostic may
replace either by words that fit the case better.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct


class Code(Struct, frozen=True):
    title: str
    cause: str
    help: str
    severity: Literal["error", "warning", "note"] = "error"


CODES: dict[str, Code] = {
    # --- P1xx: reading --------------------------------------------------------
    "P101": Code(
        "No catalog here",
        "A catalog is a folder with at least one .yaml or .yml file.",
        "Name the folder that holds the catalog, or make one with `proffer init`.",
    ),
    "P102": Code(
        "File too large",
        "A catalog file may have at most 8 MiB, so that reading it stays bounded.",
        "Split the file: all files of the folder are merged.",
    ),
    "P103": Code(
        "Not valid Unicode",
        "Catalog files are UTF-8, and every text must be well-formed Unicode.",
        "Save the file as UTF-8, and remove broken escapes such as \\ud800.",
    ),
    "P104": Code(
        "Broken YAML",
        "The file cannot be read as one YAML 1.2 document.",
        "Mend the line shown; what is wrong may begin a line earlier.",
    ),
    "P105": Code(
        "Key given twice",
        "Two values for one key: which one holds would depend on chance.",
        "Remove or rename one of the two.",
    ),
    "P106": Code(
        "Nested too deeply",
        "YAML may nest at most 60 levels; a catalog needs less than 10.",
        "Check brackets and indentation.",
    ),
    "P107": Code(
        "Unusable alias or merge",
        "An alias must name an anchor that is complete before it, `<<` must merge mappings,"
        " and all aliases of a file together may stand for at most 1,000,000 values.",
        "Define the anchor earlier, or write the value out.",
    ),
    "P108": Code(
        "Unsupported tag or key",
        "Only plain YAML values are read: text, numbers, true and false, lists, mappings"
        " whose keys are text.",
        "Remove the tag, or write the key as text.",
    ),
    "P109": Code(
        "Number cannot be used exactly",
        "Numbers are finite, have at most 15 digits before and 12 after the point, and are"
        " never rounded.",
        "Write a shorter decimal number such as 12.50.",
    ),
    "P110": Code(
        "Unknown key",
        "Keys outside the catalog's form are refused, since a misspelt guardrail would"
        " guard nothing.",
        "Correct the key or remove it.",
    ),
    "P111": Code(
        "Missing key",
        "The key has no default.",
        "Add it.",
    ),
    "P112": Code(
        "Wrong kind of value",
        'Values are never converted silently: "5" is text, 5 a number.',
        "Write a value of the kind asked for.",
    ),
    "P113": Code(
        "Bad name",
        "Names of objects match [a-z0-9][a-z0-9_.-]{0,63}; names of attributes are two or more"
        " words joined by dots, names of rules one word, each word matching [a-z][a-z0-9_]* and"
        " none a word of CEL itself.",
        "Choose another name.",
    ),
    "P114": Code(
        "File cannot be read",
        "The operating system refused the file.",
        "Check that it exists and may be read.",
    ),
    # --- P2xx: rules ----------------------------------------------------------
    "P201": Code(
        "Broken rule",
        "The text is not an expression of CEL, the Common Expression Language.",
        "Compare with the examples in docs/reference/rules.md.",
    ),
    "P202": Code(
        "Unknown attribute",
        "A rule may use declared attributes only.",
        "Correct the name, or declare it under `attributes`.",
    ),
    "P203": Code(
        "Types do not fit",
        "The two sides are of different types, and nothing is converted silently.",
        "Write the constant in the attribute's type.",
    ),
    "P204": Code(
        "Rule is not a condition",
        "A rule must be true or false.",
        "Compare the value with something, as in `cart.total >= 50.00`.",
    ),
    "P205": Code(
        "Outside the rule language",
        "Rules compare attributes with constants, so that the edge can look the answer up in"
        " tables.",
        "See docs/reference/rules.md for what a rule may hold.",
    ),
    "P206": Code(
        "Value not in the enumeration",
        "The attribute lists all values it can have; this is none of them.",
        "Correct the value, or add it to the attribute's `values`.",
    ),
    "P207": Code(
        "Too many fraction digits",
        "The attribute's `scale` says how many fraction digits it has; more would be rounded.",
        "Shorten the number, or raise the attribute's `scale`.",
    ),
    "P208": Code(
        "Number too large",
        "Constants, counted in the attribute's smallest unit, stay below 10^15.",
        "Write a smaller number.",
    ),
    "P209": Code(
        "Rule too long",
        "A rule has at most 15,000 bytes.",
        "Move parts into named rules, or use a list: `x in [...]`.",
    ),
    "P210": Code(
        "Rule too deep or too large",
        "A rule nests at most 30 levels and has, with the named rules it uses, at most 4,096"
        " comparisons.",
        "Flatten the rule: `a && (b && c)` is `a && b && c`.",
    ),
    "P211": Code(
        "Unknown named rule",
        "`rules.<name>` stands for an entry of `rules`.",
        "Correct the name, or add it under `rules`.",
    ),
    "P212": Code(
        "Named rules use each other in a circle",
        "A rule that needs itself has no meaning.",
        "Break the circle at one of the rules named.",
    ),
    "P213": Code(
        "Unusable list of constants",
        "Lists in rules hold one or more constants of the attribute's type.",
        'Write the constants out, as in `geo.country in ["US", "CA"]`.',
    ),
    "P214": Code(
        "Unusable point in time",
        "Times are whole seconds with a zone, between the years 1970 and 9999.",
        'Write timestamp("2026-11-27T00:00:00Z").',
    ),
    # --- P3xx: the catalog as a whole -----------------------------------------
    "P301": Code(
        "Unknown reference",
        "The object named does not exist in this catalog.",
        "Correct the name, or add the object.",
    ),
    "P302": Code(
        "Money attribute incomplete",
        "Guardrails are proved for every cart, which needs a decimal with a known maximum.",
        "Give it `type: decimal` and a `maximum`.",
    ),
    "P303": Code(
        "Not a money attribute",
        "Order value, margin and scope are amounts of money.",
        "Name an attribute with `money: true`, or mark this one so.",
    ),
    "P304": Code(
        "Rung does not fit the kind of offer",
        "Each kind of offer has its own fields, and others would be ignored.",
        "Compare with the table of kinds in docs/reference/diagnostics.md.",
    ),
    "P305": Code(
        "Number outside its range",
        "The number has no meaning there.",
        "Write a number inside the range.",
    ),
    "P306": Code(
        "No creative",
        "Without a creative the placement shows its default there.",
        "Add the creative, or take the placement off the offer.",
        severity="warning",
    ),
    "P307": Code(
        "Protected attribute used",
        "Attributes labelled `protected` must not decide what anyone is offered.",
        "Remove the attribute from the rule, model or table.",
    ),
    "P308": Code(
        "Attribute used against its purpose",
        "The attribute may serve only the purposes that it lists.",
        "Do not use the attribute here, or have its `purpose` extended by whoever answers for it.",
    ),
    "P309": Code(
        "Claim is not checked again",
        "Whoever edits the page can claim any value; an offer worth money may rest on such a"
        " claim only if redemption checks it.",
        "Name the attribute in `redemption.recheck`, or take it from a signed source.",
    ),
    "P310": Code(
        "Link leaves the shop",
        "Links and pictures are paths of the same site (one leading slash) or https: addresses"
        " of hosts in `shop.hosts`, without control characters, blanks or backslashes.",
        "Write a path such as /sale, or add the host to `shop.hosts`.",
    ),
    "P311": Code(
        "Window is not a span of time",
        "A window goes from a local time to a later one.",
        "Write times such as 2026-11-27T08:00, the earlier one first.",
    ),
    "P312": Code(
        "Value not in the attribute's enumeration",
        "The attribute lists all values it can have, so this entry would never be used.",
        "Correct the value, or add it to the attribute's `values`.",
    ),
    "P313": Code(
        "Limit exceeded",
        "Beyond the limit no target is promised to decide in time.",
        "Make it smaller, or split the catalog.",
    ),
    "P314": Code(
        "Name used twice",
        "Two objects of one name cannot be told apart.",
        "Rename one of them.",
    ),
    "P315": Code(
        "Derived attribute badly declared",
        "A derived attribute says in exactly one way how it is computed from declared ones.",
        "Compare with docs/reference/rules.md.",
    ),
    "P316": Code(
        "Attribute contradicts itself",
        "Two fields of the attribute do not go together.",
        "Remove or correct one of them.",
    ),
    "P317": Code(
        "Unknown time zone",
        "Zones are names of the IANA time zone database.",
        "Write a name such as America/New_York.",
    ),
    "P318": Code(
        "Unusable locale or code",
        "Locales are language tags such as en-US; currencies are three capital letters.",
        "Correct the code, or add the locale to `shop.locales`.",
    ),
    "P319": Code(
        "Attribute names collide",
        "A name cannot be an attribute and the first words of another attribute's name.",
        "Rename one of the two.",
    ),
    "P320": Code(
        "Model does not add up",
        "Every term needs one weight for each of its bins.",
        "Count again: numbers have one bin more than cut points, text one more than values,"
        " booleans two; and each attribute one more for when it is missing.",
    ),
    "P321": Code(
        "Cost table does not add up",
        "A table over a number has one cost more than cut points; one over text has a cost"
        " per value and one otherwise.",
        "Give `cuts` and `costs`, or `values` and `otherwise`.",
    ),
    "P322": Code(
        "Choice does not add up",
        "The fields of a choice must go with its policy.",
        "Remove the field, or change the policy.",
    ),
    "P323": Code(
        "Text cannot be used",
        "Such texts become parts of hashes and headers: they are not empty and hold no control"
        " characters.",
        "Remove the character, or write something.",
    ),
    "P324": Code(
        "Placeholder without a value",
        "Texts may hold {percent}, {amount}, {cap}, {points} and {months}; each stands for the"
        " rung's own number, and visitors would read a placeholder that has none.",
        "Remove the placeholder, or give every rung of the offer that number.",
    ),
    "P325": Code(
        "Subtotal may be negative",
        "Discounts cost at most the subtotal. Of one below 0 they would cost less than nothing,"
        " and margin floors of the whole page would count with that.",
        "Give the attribute a `minimum` of 0 or leave it out; send refunds and credits as an"
        " attribute of their own.",
    ),
    "P326": Code(
        "Floor cannot be kept",
        "A floor is the least share of every candidate. Where all candidates and showing nothing"
        " cannot have it at once, each has an equal part instead, and nothing is left to the best.",
        "Lower the floor to at most 1 divided by the number of sizes offered there and one more.",
        severity="warning",
    ),
    "P327": Code(
        "Text runs backwards",
        "The text holds an invisible character that changes the direction in which the rest is"
        " shown, so that a reader sees something else than what is written.",
        "Remove the character; texts of languages written from right to left need none.",
        severity="warning",
    ),
    "P328": Code(
        "Self-test cannot be asked",
        "A self-test is a request as the edge gets it, and names arms that could be shown; what"
        " the edge would not read, or could never show, tests nothing.",
        "Correct the test, or remove it.",
    ),
    # --- P4xx: the lowered policy ---------------------------------------------
    "P401": Code(
        "Rule too wide",
        "Written out as alternatives, the rule needs more clauses than an offer may have.",
        "Split the offer in two, or replace alternatives by lists: `x in [...]`.",
    ),
    "P402": Code(
        "Never eligible",
        "No visitor can satisfy all of the offer's rules and its window's hours at once.",
        "Look for parts that exclude each other, or pause the offer.",
        severity="warning",
    ),
    "P403": Code(
        "Policy cannot be written",
        "The policy's numbers do not fit the bundle's format.",
        "Make the amounts, weights or numbers of objects that the message names smaller.",
    ),
    "P404": Code(
        "Integer leaves the exact range",
        "A decision computes in integers below 2^53, which Python, JavaScript and C hold alike;"
        " scores have 2^24 steps. Beyond that, runtimes would disagree.",
        "Write at most the largest safe number, or lower what it is multiplied with.",
    ),
    "P405": Code(
        "Shadowed offer",
        "Whenever this offer may be shown, another one may be shown too and is worth more; that"
        " follows from their rules, windows and constant scores.",
        "Widen its rule, raise its worth, or remove it. Nothing is blocked: pausing the other"
        " offer changes it.",
        severity="warning",
    ),
    "P406": Code(
        "Exclusivity does not hold together",
        "Of a group's offers at most one is shown on a page. A group of one excludes nothing,"
        " and offers of one group that stack differently exclude different others.",
        "Give the group a second offer or remove it; give its offers one `stackable`.",
        severity="note",
    ),
    "P408": Code(
        "Guardrails always fail",
        "For every cart that the offer's rule admits, every rung breaks a guardrail.",
        "Compare the costs of the rungs with the guardrails and the margin, or pause the offer.",
        severity="warning",
    ),
    "P409": Code(
        "Unreachable rung",
        "For every cart that the offer's rule admits, this rung breaks a guardrail.",
        "Lower what the rung costs, loosen the guardrail, or remove the rung.",
        severity="warning",
    ),
    "P410": Code(
        "Guardrail that nothing can break",
        "For every cart that the offer's rule admits, every reachable rung keeps it.",
        "Nothing needs to be done; if it was meant to bind, tighten it.",
        severity="note",
    ),
    "P411": Code(
        "Worst stack on one cart",
        "Stackable offers add up on one page; this is the most that they may cost together.",
        "Nothing needs to be done; put offers into one group if it is too much.",
        severity="note",
    ),
    "P412": Code(
        "Over an advised limit",
        "The target still works, but slower than promised; docs/reference/limits.md has the table.",
        "Do what the message names.",
        severity="warning",
    ),
    "P413": Code(
        "Over a hard limit",
        "Beyond it the target cannot be promised to decide at all; docs/reference/limits.md has"
        " the table.",
        "Do what the message names.",
    ),
    # --- P5xx: projections ----------------------------------------------------
    "P501": Code(
        "Edge only",
        "What visitors may not read, or what cannot be proved without reading it, stays out of"
        " the browser's bundle.",
        "Nothing needs to be done: the edge decides it.",
        severity="note",
    ),
}
