from emnist.reading.reader import Reader as Reader
