"""Every diagnostic code of the language and what it means; each has a page of examples in tests/diagnostics."""

from __future__ import annotations

CODES: dict[str, str] = {
    # What parse says.
    "argument-syntax": (
        "Arguments stand after their word, parted by blanks: positional ones first, then options as "
        "key=value. Two arguments do not touch, and a span of columns is first..last."
    ),
    "bad-character": (
        "A character that no spec may hold, or that stands only in strings and comments. Names, numbers and "
        "operators are ASCII; control and bidirectional characters are refused everywhere, since they make a "
        "text look like another."
    ),
    "bad-escape": 'In a string a backslash begins one of the escapes \\\\ \\" \\n \\t, and nothing else.',
    "bad-number": (
        "A number is written 10, 0.5, 1e-3 or 10%, a window 3x3. It has at most 40 characters and fits a 64-bit float."
    ),
    "bare-arithmetic": (
        "Blanks part the arguments of a word, so arithmetic of an argument stands in parentheses: dense "
        "(2*k+1). A chain has no operators: values are combined by words such as add, and formulas stand in "
        "def."
    ),
    "body-syntax": (
        "part, def, repeat and if have a body in braces that holds at least one sentence; else stands on the "
        "line of the } before it; the parameters of a def are names, some with a default."
    ),
    "broken-chain": (
        "A chain is words joined by ->, each with its arguments: dense 16 -> relu. It neither begins nor ends "
        "with an arrow, and NAME = before it names its value."
    ),
    "call-syntax": (
        "The parenthesis of a call touches its word, and commas part what is in it: step(0.1, every=30). A "
        "parenthesis after a blank groups an expression."
    ),
    "equals": "= gives a name its value; == compares. Comparisons do not chain: a < b and b < c.",
    "expression-syntax": (
        "An expression joins values by + - * / ^ @, comparisons, and, or and not. Every operator has a value "
        "on both sides, but for - and not, which stand before one."
    ),
    "formula-syntax": (
        "The body of def layer, def cell and def updater holds formulas: NAME = EXPR, weight NAME: [SHAPE], "
        "state NAME = EXPR, return EXPR and if."
    ),
    "incomplete-sentence": "A sentence lacks something that its first word needs, or holds more than it takes.",
    "loss-syntax": (
        "A loss is a word with options, or an expression over outputs and targets; then trains and the parts "
        "that it moves, parted by commas; then with and an updater, whose options stand in parentheses."
    ),
    "quotes": "Strings stand between double quotes. Words and names have none.",
    "reserved-word": (
        "true, false, and, or, not and else have their meaning wherever they stand, so nothing can be named so."
    ),
    "sentence-end": "A sentence ends with its line; nothing else ends it, and a new one begins on a new line.",
    "sentence-start": "A sentence begins with a word, be it one of the language's, such as input, or a layer.",
    "stray-doc": (
        "A doc comment (##) belongs to the sentence below it. One at the end of a line, inside a sentence or "
        "below the last one belongs to nothing."
    ),
    "syntax": "The text is no sentence of the language. The help lists what could stand at that place.",
    "too-deep": (
        "Brackets nest at most 50 deep, and a sentence at most 100 levels of operators, calls and bodies; blocks, "
        "parts and repeat at most 20 deep as they are used, and so do imports."
    ),
    "too-long": (
        "A spec has at most 1,048,576 characters, its libraries included, and a file has at most 50,000 words, "
        "numbers, strings and signs."
    ),
    "type-syntax": (
        "A name is declared with a colon and a type: input x: f32[4]. A type is a word, then which values in "
        "parentheses and how many in brackets, both touching what stands before."
    ),
    "unclosed-string": "A string ends on the line on which it begins.",
    "unmatched-bracket": (
        "Every ( [ { is closed by its own ) ] }, and nothing else is closed. Where a bracket stays open, the "
        "rest of the file is not read."
    ),
    "unwanted-comma": (
        "Commas stand only inside parentheses and brackets, and between the names after trains. Layers are "
        "joined by ->, arguments parted by blanks."
    ),
    # What resolving and lowering say.
    "ambiguous-loss": (
        "early_stop and plateau watch one loss, and a solver minimises one; a net with several losses has none that "
        "is the one."
    ),
    "ambiguous-source": (
        "A net with several inputs does not say by itself where its first chain begins. Begin the chain with the name "
        "of an input."
    ),
    "ambiguous-target": (
        "A bare loss or metric compares the last chain's value with the only target. Where there is no target, or more "
        "than one, say what is compared: mse(price, y)."
    ),
    "artifact-differs": (
        "The exported model scores otherwise than the trainer it came from, so it was not written. That is a fault of "
        "netc or of ONNX Runtime; please report it with the spec."
    ),
    "bad-archive": (
        "An initializer names an .npz archive that cannot be read, lies outside the spec's folder, or holds no finite "
        "numbers of that name."
    ),
    "bad-constant": (
        "A constant has no value: it divides by zero, mixes kinds, or grows beyond 2^53; or it is not what repeat and "
        "if take. Constants are computed when the spec is read."
    ),
    "bad-definition": (
        "A definition lacks something that its kind needs, or gives something else: an activation has a parameter for "
        "the value, a layer returns, an updater assigns w, and what they give depends on what they are given."
    ),
    "bad-formula": (
        "A function or an operator of a formula has values that it does not take: too many of them, a number where "
        "true or false is needed, or a function that stands in other kinds of definition alone."
    ),
    "bad-loss": (
        "A loss is a word (mse), a word with what it compares (mse(price, y)), or a sum of such words with numbers as "
        "weights. A metric is a word, or a word with what it compares."
    ),
    "bad-option": "An option has a value of another kind than it takes, or one out of its range.",
    "bad-path": (
        "The files that a spec names lie in its folder and are named relative to it, with forward slashes, so that all "
        "can move together; a library never leads out of it. Other data are named on the command line with --data."
    ),
    "bad-type": "A type has a part that it does not take: a domain, a size, or labels that it cannot have.",
    "domain-mismatch": (
        "The compiler follows which values a prediction can take. A loss or metric that needs probabilities is not "
        "given a value that may be negative or above 1, and mcxent is given probabilities that sum to 1: after "
        "softmax, not after sigmoid. In a formula, logarithms, roots and quotients are given what they are defined on."
    ),
    "duplicate-name": "A name is declared once. Inputs, targets, lets, chains and weights share one set of names.",
    "duplicate-option": "An option is given once.",
    "duplicate-sentence": "A spec has one net, updater, train, data and targets sentence each.",
    "edited-file": (
        "A file that a build would overwrite is not as netc wrote it, so somebody edited it. It is kept; build into "
        "another folder, or say --force."
    ),
    "hidden-word": (
        "A declared name is also the name of a word. That is allowed, and the name then means your value; the warning "
        "is for whoever reads the spec."
    ),
    "ids-mismatch": (
        "A category reaches the net as ids, which are names and not numbers: onehot or embedding makes numbers of "
        "them, and these two words take nothing else. Lengths, which say what is padding, are neither."
    ),
    "import-cycle": "Libraries import one another in a circle, so that none could be read before the others.",
    "interrupted": "Ctrl-C stopped the command. A training run is saved where it stopped; --resume goes on from there.",
    "internal": "netc itself failed. The help names a file with the details; please report it with the spec.",
    "learned-from-weights": (
        "standardize learns a mean and a deviation from the training rows before training begins. After a layer with "
        "weights these would change with every step, so it stands before the first one."
    ),
    "learned-twice": (
        "A part has one set of everything, but what standardize learns belongs to one value; so a part that learns is "
        "used once."
    ),
    "missing-input": "A net needs at least one input sentence.",
    "missing-layers": "A net needs at least one chain of layers.",
    "missing-loss": "Training minimises something: a net has a loss, unless it is only exported (targets inference).",
    "missing-net": "A spec begins with net and its name. A file without is a library, which cannot be built by itself.",
    "missing-option": "A word lacks an argument that it cannot do without.",
    "missing-updater": "Training moves weights by an updater: a net has one, unless it is only exported.",
    "missing-validation": (
        "early_stop watches the loss of rows that do not train, as plateau does beside a solver, and best(...) tunes a "
        "threshold on them, so they need validation=."
    ),
    "no-step-graph": (
        "A solver looks for the length of each step, trying as many as it takes, which no graph of one training step "
        "can do. A spec with a solver names the artifacts that it wants: targets numpy inference."
    ),
    "not-a-library": "A library is a file of definitions: it holds def, let and import, and nothing else.",
    "not-constant": "A value that is needed when the spec is read is not a constant.",
    "not-trainable": "The spec's targets leave out the artifact that would train it.",
    "not-yet": (
        "A sentence, type or option belongs to the language, but this version of netc has no machinery for it. It is "
        "refused rather than ignored."
    ),
    "nothing-to-plot": "netc plot draws schedules, and every setting of the spec is a plain number.",
    "nothing-to-train": (
        "Training moves weights, and the net has none, or all of them are frozen. So it is of a loss with what it "
        "trains: a part without weights, or one on which the loss does not depend. And a weight that is not frozen is "
        "moved by some loss."
    ),
    "recursion": "What uses itself, directly or through others, would never end: a block, a part, a formula.",
    "shape-mismatch": (
        "Shapes that must fit do not: a layer and its input, values that are combined, a prediction and its target, a "
        "list of first values and its weight. Nothing is broadcast to make them fit, but for what a formula joins, "
        "whose axes are the same from the last one on."
    ),
    "softmax-of-one": "softmax over a single feature is always 1, so nothing could be learned.",
    "softmax-twice": "softmax of probabilities squeezes them together: the net could no longer be sure of anything.",
    "system": "The operating system refused something; the message says what.",
    "target-mismatch": (
        "A loss or metric was given a target of another kind than it compares: classes go with mcxent, accuracy and "
        "f1, numbers with mse, mae and r2, 0 and 1 with xent. A threshold goes with an output that predicts a class or "
        "a binary target."
    ),
    "too-large": (
        "A net asks for more memory than the budget, or an example or a list is larger than the stated limits, or "
        "blocks, parts and repeat come to more than 10,000 links. --memory raises the budget."
    ),
    "too-many-options": "A word is given more arguments than it takes.",
    "unknown-define": "-D sets a constant that the spec declares with let; it declares none of that name.",
    "unknown-name": "A name is used that nothing declares, or before it is declared.",
    "unknown-option": "A word or sentence has no option of that name, or none that would do anything there.",
    "unknown-type": "The word before the brackets is not a type.",
    "unknown-word": "A word is not in the vocabulary, or is of another kind than what stands there.",
    "unreadable": "The spec, or a library that it imports, cannot be read as a file of UTF-8 text.",
    "unnamed-loss": "With several losses each has a name: its function, its settings and its column are called by it.",
    "unsafe-name": (
        "A name would not be safe in the artifacts: a keyword of Python, a name that begins with an underscore, one "
        "longer than 32 characters (60 with the blocks and parts around it), a net named like a module that its "
        "trainer imports, or a loss named like a column of history.csv."
    ),
    "unused": (
        "An input, a target, a named value, a part, a definition, a parameter of one, or the value that a block goes "
        "on from is used by nothing. Either it is left over or a use is missing."
    ),
    "usage": "A command line that netc does not understand: an unknown option, or an argument missing or wrong.",
    "useless-bias": (
        "batchnorm and instancenorm take the mean of each channel away, and with it whatever a bias right before them "
        "adds. It costs a little and learns nothing: its gradient is 0 but for rounding. bias=false leaves it away."
    ),
}
