"""The record of a plot, for kernels that write or read arrays of ``PLOT_DTYPE``."""

cdef packed struct Plot:
    float row
    float col
    float sigma_row_px
    float sigma_col_px
    float amplitude
    float snr
    unsigned short n_pixels
    unsigned short flags
    unsigned short n_rows
    unsigned short n_cols
    float covariance_px2
    float flux
    float moment_row_px2
    float moment_col_px2
    float moment_row_col_px2
    int peak_row
    int peak_col
