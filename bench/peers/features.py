"""Feature extraction, ours beside the libraries a user would take instead. All get the same weights and the same
pictures, and are timed in turn, one pass each a round: what slows the machine down slows all of them down.

    python features.py [--models vit_base_patch16_224,...] [--rounds 7] [--without-ours] [--json FILE]
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from common import machine, program, summary  # noqa: E402

MODELS = {
    "vit_base_patch16_224": (8, dict(patch_size=16, embed_dim=768, depth=12, num_heads=12, img_size=224)),
    "vit_tiny_patch16_224": (16, dict(patch_size=16, embed_dim=192, depth=12, num_heads=3, img_size=224)),
    "vit_patch4_32": (64, dict(patch_size=4, embed_dim=192, depth=6, num_heads=3, img_size=32)),
}
PAUSE = 0.2  # seconds before each turn: the threads of the one before stop spinning
CLOSE = {"float32": 1e-4, "bfloat16": 1e-1}  # largest difference from PyTorch's float32, relative to the largest feature


def build(arguments: dict):
    """The network with weights that give every branch something to do; timm's own leave its biases zero."""
    import torch
    from timm.models.vision_transformer import VisionTransformer

    torch.manual_seed(0)
    model = VisionTransformer(**arguments, num_classes=0).eval()
    with torch.no_grad():
        for name, value in model.named_parameters():
            if name.endswith("bias"):
                value.normal_(0, 0.1)
    return model


class Eager:
    """PyTorch as a training script runs it."""

    name, precision = "PyTorch", "float32"

    def __init__(self, model, x, threads, folder):
        import torch

        torch.set_num_threads(threads)
        self.torch, self.model, self.x = torch, model, x

    def run(self):
        with self.torch.inference_mode():
            return self.model(self.x).float().numpy()


class Autocast(Eager):
    name, precision = "PyTorch autocast", "bfloat16"

    def run(self):
        with self.torch.inference_mode(), self.torch.autocast("cpu", self.torch.bfloat16):
            return self.model(self.x).float().numpy()


class OpenVino:
    name, precision, hint = "OpenVINO", "float32", "f32"

    def __init__(self, model, x, threads, folder):
        import openvino

        network = openvino.convert_model(model, example_input=x, input=list(x.shape))
        self.compiled = openvino.Core().compile_model(network, "CPU", {
            "INFERENCE_PRECISION_HINT": self.hint, "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY"})
        self.request, self.x = self.compiled.create_infer_request(), x.numpy()

    def run(self):
        self.request.infer([self.x], share_inputs=True)
        return self.request.get_output_tensor(0).data.copy()


class OpenVinoHalf(OpenVino):
    precision, hint = "bfloat16", "bf16"


class OnnxRuntime:
    name, precision = "ONNX Runtime", "float32"

    def __init__(self, model, x, threads, folder):
        import onnxruntime
        import torch

        path = str(Path(folder) / "model.onnx")
        torch.onnx.export(model, (x,), path, dynamo=False, opset_version=17, input_names=["x"], output_names=["features"])
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        self.session, self.x = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"]), x.numpy()

    def run(self):
        return self.session.run(None, {"x": self.x})[0]


RIVALS = (Eager, Autocast, OpenVino, OpenVinoHalf, OnnxRuntime)


class Ours:
    """A child that stays: a line `run` in, the seconds of one batch out; `features PATH` has the batch written."""

    name = "accrete"

    def __init__(self, executable: Path, weights: Path, batch: int, precision: str, threads: int):
        self.precision = precision
        self.child = subprocess.Popen(
            [executable, "--weights", weights, "--batch", str(batch), "--precision", precision, "--threads", str(threads), "--serve"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, line: str) -> str:
        self.child.stdin.write(line + "\n")
        self.child.stdin.flush()
        answer = self.child.stdout.readline()
        if not answer:
            raise SystemExit(f"accrete_bench_features ended with {self.child.wait()}")
        return answer

    def seconds(self) -> float:
        return float(self.ask("run"))

    def batch(self, folder: str) -> tuple:
        """(pictures, features) of the batch it is timed with"""
        from safetensors.torch import load_file

        path = Path(folder) / f"ours_{self.precision}.safetensors"
        self.ask(f"features {path}")
        tensors = load_file(path)
        return tensors["input"], tensors["features"].numpy()

    def close(self) -> None:
        self.child.stdin.close()
        self.child.wait()


def timed(rival) -> float:
    if isinstance(rival, Ours):
        return rival.seconds()
    start = time.perf_counter()
    rival.run()
    return time.perf_counter() - start


def difference(features, reference) -> float:
    return float(abs(features - reference).max() / abs(reference).max())


def measure(name: str, options) -> dict:
    import torch
    from safetensors.torch import save_file

    batch, arguments = MODELS[name]
    model = build(arguments)
    x = torch.randn(batch, 3, arguments["img_size"], arguments["img_size"], generator=torch.Generator().manual_seed(1))
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "weights.safetensors"
        save_file(model.state_dict(), weights)

        runners, agreement = [], {}
        reference = Eager(model, x, options.threads, folder).run()
        for kind in RIVALS:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # exporters tell of shapes they fix; fixed is what we want
                rival = kind(model, x, options.threads, folder)
            agreement[(rival.name, rival.precision)] = difference(rival.run(), reference)
            runners.append(rival)
        if not options.without_ours:
            for precision in ("float32", "bfloat16"):
                ours = Ours(options.executable, weights, batch, precision, options.threads)
                runners.append(ours)
                pictures, mine = ours.batch(folder)
                agreement[(ours.name, precision)] = difference(mine, Eager(model, pictures, options.threads, folder).run())

        for (who, precision), error in agreement.items():
            if error > CLOSE[precision]:
                raise SystemExit(f"{name}: features of {who} {precision} differ from PyTorch's by {error:.1e}, nothing to compare")
        seconds = {runner: [] for runner in runners}
        for _ in range(options.rounds):
            for runner in runners:
                time.sleep(PAUSE)
                seconds[runner].append(timed(runner))
        for runner in runners:
            if isinstance(runner, Ours):
                runner.close()

    base = {r.precision: seconds[r] for r in runners if r.name == ("PyTorch" if options.without_ours else "accrete")}
    rows = []
    for runner in runners:
        against = base.get(runner.precision, base["float32"])
        ratios = sorted(theirs / ours for theirs, ours in zip(seconds[runner], against))
        rows.append({"who": runner.name, "precision": runner.precision, "images_per_second": batch / summary(seconds[runner])["median"],
                     "seconds": summary(seconds[runner]), "ratio": ratios[len(ratios) // 2],
                     "difference": agreement[(runner.name, runner.precision)]})
    return {"model": name, "batch": batch, "rows": rows}


def show(result: dict, options) -> None:
    basis = "PyTorch's float32" if options.without_ours else "ours in the same precision"
    print(f"\n{result['model']}, batch {result['batch']}, {options.threads} threads, {options.rounds} rounds; time is against {basis}")
    print(f"{'':18} {'':9} {'images/s':>9} {'seconds':>9} {'middle half':>19} {'best':>9} {'time':>7}   difference")
    for row in result["rows"]:
        s = row["seconds"]
        print(f"{row['who']:18} {row['precision']:9} {row['images_per_second']:9.1f} {s['median']:9.4f} "
              f"{s['low']:9.4f} {s['high']:9.4f} {s['best']:9.4f} {row['ratio']:6.2f}x   {row['difference']:.1e}")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--models", default=",".join(MODELS))
    arguments.add_argument("--rounds", type=int, default=7)
    arguments.add_argument("--threads", type=int, default=2)
    arguments.add_argument("--build", type=Path, default=Path("build/release"), help="where our programs were built")
    arguments.add_argument("--without-ours", action="store_true", help="the others alone")
    arguments.add_argument("--json", type=Path, default=None)
    options = arguments.parse_args()
    if unknown := set(options.models.split(",")) - set(MODELS):
        arguments.error(f"no model {', '.join(sorted(unknown))}; there are {', '.join(MODELS)}")
    options.executable = program(options.build, "accrete_bench_features")
    if not options.without_ours and not options.executable:
        arguments.error(f"accrete_bench_features is not below {options.build}; build it or give --without-ours")
    os.environ["OMP_NUM_THREADS"] = str(options.threads)

    report = {"machine": machine(), "threads": options.threads, "rounds": options.rounds, "results": []}
    for name in options.models.split(","):
        report["results"].append(measure(name, options))
        show(report["results"][-1], options)
    import onnxruntime
    import openvino
    import timm
    import torch

    report["versions"] = {m.__name__: m.__version__ for m in (torch, timm, openvino, onnxruntime)}
    path = options.json or options.build.parent / "peers" / "features.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=1) + "\n")
    print(f"\nwritten: {path}")


if __name__ == "__main__":
    main()
