"""Train π-Net's official code (TensorFlow 1.12) on the training events of a direction, next to this project's `pinet`.

parity.py, one folder above, runs this script.

Official are the network, its loss, clipping and optimiser (PiNet.py), and how interleaved sessions become a batch
(processdata and batchtoinput of Train2.py). The target is its domain A, the source its domain B; a session is the
window of a user that our systems see. The checkout is not edited. What this script changes:

* TensorFlow 2 replaces TensorFlow 1.12, by tensorflow.compat.v1 without v2 behaviour: its nn.rnn_cell replaces
  tf.contrib.rnn, and its glorot_normal_initializer replaces xavier_initializer(uniform=False), whose standard deviation
  is 0.3 % smaller.
* Every step is learned. An official example has one target in each domain, the last of a session, so a user would be
  one example. The network is causal. A subclass therefore passes the outputs of encoder and transfer unit after each
  step to the official prediction layers, instead of their last states. Without dropout this equals running each prefix
  separately; the dropout of an output has the same rate as that of a state. The official loss treats these rows like
  sessions: the mean of a batch's target steps plus that of its source steps.
* The seed is the given one, not 1. Train2.py trains when it is imported, so only its functions are taken.
* An epoch is cut into batches of similar size: the official code makes an empty batch if the size divides the users.
* The epoch is chosen by validation of the target's prediction; officially it is the 50th.

Sizes, batch and learning rate are those of the comparison. keep_prob is the official 0.8. Each output is dropped again
as the input of the next unit, so 0.64 of it is kept; of each recurrent state 0.8 is kept.
"""

import ast
import contextlib
import os
import random
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from protocol import Judge, Run, arguments, load
from published import commit

from semacdr.batching.windows import Windows, evaluation_windows, training_windows

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import tensorflow
import tensorflow.compat.v1 as tf

NETWORK = {"embedding_size": 64, "hidden_size": 64, "num_members": 4, "num_layers": 1}
SETTINGS = NETWORK | {"keep_prob": 0.8, "learning_rate": 0.001, "batch_size": 256, "max_length": 100}
INPUTS = ("seq_A", "seq_B", "pos_A", "pos_B", "len_A", "len_B")  # as batchtoinput returns them, before the two targets


def functions_of(path: Path, **names) -> SimpleNamespace:
    """The functions of a script, without running it; `names` are their globals."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    tree.body = [part for part in tree.body if isinstance(part, ast.FunctionDef)]
    exec(compile(tree, path, "exec"), names)  # noqa: S102
    return SimpleNamespace(**names)


def official(code: Path) -> type:
    """The network's class, on the installed TensorFlow."""
    tf.disable_v2_behavior()
    tf.logging.set_verbosity(tf.logging.ERROR)
    layers = SimpleNamespace(xavier_initializer=lambda uniform: tf.glorot_normal_initializer())
    tf.contrib = SimpleNamespace(rnn=tf.nn.rnn_cell, layers=layers)
    sys.dont_write_bytecode = True
    sys.path.insert(0, str(code))
    sys.modules["tensorflow"] = tf
    from PiNet import PiNet

    sys.modules["tensorflow"] = tensorflow
    return PiNet


def every_step(network: type, seed: int) -> type:
    """The official network, which predicts after each of the steps (row, own events, other domain's events)."""

    def unit(name: str):
        def call(self, *given):
            outputs, states = getattr(network, name)(self, *given)
            self.outputs[name] = tf.pad(outputs, [[0, 0], [1, 0], [0, 0]])  # zeros if nothing came before
            return outputs, states

        return call

    def prediction(own: str, other: str):
        def call(self, items, transferred, encoded, keep_prob):
            row, *counts = tf.unstack(self.steps[own], num=3, axis=1)
            units = zip((f"encoder_{own}", f"transfer_{other}"), counts, strict=True)
            encoded, transferred = (tf.gather_nd(self.outputs[name], tf.stack([row, n], 1)) for name, n in units)
            return getattr(network, f"prediction_{own}")(self, items, (transferred,), (encoded,), keep_prob)

        return call

    def get_inputs(self):
        tf.set_random_seed(seed)
        self.outputs, self.steps = {}, {domain: tf.placeholder(tf.int32, [None, 3]) for domain in "AB"}
        return network.get_inputs(self)

    changed = {name: unit(name) for name in ("encoder_A", "encoder_B", "transfer_A", "transfer_B")}
    changed |= {"prediction_A": prediction("A", "B"), "prediction_B": prediction("B", "A"), "get_inputs": get_inputs}
    return type("EveryStep", (network,), changed)


class Sessions:
    """Windows as official sessions, and their steps, each (own events, other domain's events, item).

    A source step sees the history's events before its item; a window's first source event is not a step.
    """

    def __init__(self, windows: Windows, script: SimpleNamespace, items: int) -> None:
        parts = windows.target, windows.source
        rows = [np.repeat(np.arange(len(windows.users)), np.diff(part.offsets)) for part in parts]
        target, source = (np.arange(len(r)) - part.offsets[r] for part, r in zip(parts, rows, strict=True))
        row, moment = np.concatenate(rows), np.append(target, windows.target_before - 0.5)
        events = np.append(windows.target.values, windows.source.values + items)[np.lexsort((moment, row))]
        ends = np.cumsum(np.bincount(row))[:-1]
        self.records = script.processdata([[*x.tolist(), 0, 0] for x in np.split(events, ends)])  # 0: targets, unread
        self.script, self.items = script, range(items)
        of_target = np.column_stack([target + 1, windows.source_visible, windows.positives])
        of_source = np.column_stack([source, windows.target_before, windows.source.values])
        of_target, of_source = (
            np.split(steps, part.offsets[1:-1]) for steps, part in zip((of_target, of_source), parts, strict=True)
        )
        self.steps = {"A": of_target, "B": [steps[1:] for steps in of_source]}

    def feed(self, model, rows, keep_prob: float, last: bool = False) -> dict:
        """The network's inputs for a batch; with `last` only the last step of each session."""
        arrays = self.script.batchtoinput([self.records[row] for row in rows], 0, self.items)
        feed = {getattr(model, name): array for name, array in zip(INPUTS, arrays, strict=False)}
        for domain in "AB":
            steps = [self.steps[domain][row][-1 if last else 0 :] for row in rows]
            place, steps = np.repeat(np.arange(len(rows)), list(map(len, steps))), np.concatenate(steps)
            feed[model.steps[domain]] = np.column_stack([place, steps[:, :2]])
            feed[getattr(model, f"target_{domain}")] = steps[:, 2]
        return feed | {model.keep_prob: keep_prob}


class Variables:
    """The learned variables, in the form that Run expects of a module."""

    def __init__(self, session) -> None:
        self.session = session
        self.variables = {v.name: v for v in session.graph.get_collection(tf.GraphKeys.TRAINABLE_VARIABLES)}

    def state_dict(self) -> dict[str, torch.Tensor]:
        return {name: torch.from_numpy(value) for name, value in self.session.run(self.variables).items()}

    def load_state_dict(self, state: dict[str, torch.Tensor]) -> None:
        for name, variable in self.variables.items():
            variable.load(state[name].numpy(), self.session)

    def parameters(self):
        return self.state_dict().values()


def main() -> None:
    cli = arguments(__doc__)
    cli.add_argument("--code", type=Path, required=True, help="checkout of mamuyang/PINet")
    args = cli.parse_args()
    settings = SETTINGS | args.settings
    if settings.keys() != SETTINGS.keys():
        cli.error(f"settings are {', '.join(SETTINGS)}")
    torch.set_num_threads(args.threads)
    history, length = load(args.folder), settings["max_length"]
    items = len(history.target_items)
    script = functions_of(args.code / "Train2.py", np=np, itemE=range(items))
    training = Sessions(training_windows(history, length), script, items)
    held_out = {s: Sessions(evaluation_windows(history, s, length), script, items) for s in ("valid", "test")}

    network = every_step(official(args.code), args.seed)
    with contextlib.redirect_stdout(None):
        model = network(items, len(history.source_items), gpu="", **{name: settings[name] for name in NETWORK})
    model.config.intra_op_parallelism_threads, model.config.inter_op_parallelism_threads = args.threads, 1
    session = tf.Session(graph=model.graph, config=model.config)
    with model.graph.as_default():
        session.run(tf.global_variables_initializer())
    random.seed(args.seed)
    judge, order = Judge(history, args.folder / "candidates.parquet"), list(range(len(training.records)))

    def ranks(split: str) -> dict[str, np.ndarray]:
        parts = np.split(np.arange(history.users), range(512, history.users, 512))
        scores = [session.run(model.pred_A, held_out[split].feed(model, rows, 1.0, last=True)) for rows in parts]
        return judge.ranks(split, torch.from_numpy(np.concatenate(scores)), np.arange(items))

    run = Run(args, Variables(session), ranks)
    run.start()
    while True:
        random.shuffle(order)
        for rows in np.array_split(order, -(-len(order) // settings["batch_size"])):
            feed = training.feed(model, rows, settings["keep_prob"])
            session.run(model.train_op, feed | {model.learning_rate: settings["learning_rate"]})
        if not run.epoch():
            break
    run.write({"PINet": commit(args.code), "tensorflow": tensorflow.__version__}, settings)


if __name__ == "__main__":
    main()
