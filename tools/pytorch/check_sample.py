import pathlib
import sys

BAR = 1e-5  # of the largest element of the output


def load(folder=pathlib.Path(__file__).resolve().parent):
    """The network with the exported weights, in evaluation mode."""
    weights = torch.load(folder / WEIGHTS, map_location="cpu")
    network = make_network(weights)
    network.load_state_dict(weights)  # strictly: every name and shape
    return network.eval()


def main():
    network = load()
    sample = torch.load(pathlib.Path(__file__).resolve().parent / "sample.pt", map_location="cpu")
    with torch.no_grad():
        output = network(sample["input"])
    error = float((output - sample["output"]).abs().max() / sample["output"].abs().max())
    count = sum(parameter.numel() for parameter in network.parameters())
    print("%s: %d parameters, output within %.1e of Stemma's: %s"
          % (type(network).__name__, count, error, "good" if error <= BAR else "NOT the same"))
    return 0 if error <= BAR else 1


if __name__ == "__main__":
    sys.exit(main())
